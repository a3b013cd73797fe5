/**
 * Whether a fresh list may replace the last good one. A catalog never goes backwards by accident: an empty or much
 * shorter list is more often a broken server than a decision, so it must be seen three times in a row. PURE.
 */

/** `hold`: keep the last good list and call it stale. */
export type ListVerdict = { readonly kind: 'take' } | { readonly kind: 'hold'; readonly why: string };

/** A sound but shrunken list is taken when it has come this often in a row. */
export const SHRUNKEN_SEEN_ENOUGH = 3;

/**
 * @param lastGood images in the list that is served now; undefined if there is none
 * @param fresh images in the new list, bad entries not counted
 * @param seenBefore how many refreshes in a row have been held back for shrinking just before this one
 */
export function judgeList(lastGood: number | undefined, fresh: number, seenBefore: number): ListVerdict {
  if (lastGood === undefined || fresh * 2 >= lastGood) return { kind: 'take' };
  if (fresh > 0 && seenBefore + 1 >= SHRUNKEN_SEEN_ENOUGH) return { kind: 'take' };
  return {
    kind: 'hold',
    why: fresh === 0 ? `is empty where it had ${lastGood}` : `shrank from ${lastGood} to ${fresh}`,
  };
}
