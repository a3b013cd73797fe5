/**
 * When which blob is read again: so late that nothing is read twice within the time allowed, so early that everything is
 * read once, however many of them came on one day. PURE.
 */
import type { Sha1Hex } from '../imgapi/ids.ts';

export interface CheckedBlob {
  readonly sha1: Sha1Hex;
  /** Bytes. */
  readonly size: number;
  /** When it was last found right; its arrival counts. ms since the epoch. */
  readonly checkedAtMs: number;
}

const MIB = 1024 * 1024;
/** Less would save nothing a disk notices, and a mirror that is restarted daily would never be done with a big file. */
const MIN_BYTES_PER_SECOND = 4 * MIB;
/** More is noticed. A cache too big for this takes longer than it was given. */
const MAX_BYTES_PER_SECOND = 32 * MIB;
/** Of a store that came in one piece, the budget then reads all within half of the time. */
const HEADROOM = 2;
/** The plan counts on this part of the budget, so that a night off or a slow disk does not spoil it. */
const PLANNED_PART = 0.8;

/** The budget for reading `totalBytes` every `everyMs`, bytes per second. */
export function scrubRate(totalBytes: number, everyMs: number): number {
  const needed = (HEADROOM * totalBytes * 1000) / everyMs;
  return Math.min(MAX_BYTES_PER_SECOND, Math.max(MIN_BYTES_PER_SECOND, needed));
}

/** One step of a plan. */
export interface PlannedCheck extends CheckedBlob {
  /** When it must begin for this one and all behind it to be in time, ms since the epoch; mostly in the future. */
  readonly beginAtMs: number;
}

/** All of them in the order in which they are read, for a budget of `rate` bytes per second. */
export function planScrub(blobs: readonly CheckedBlob[], everyMs: number, rate: number): PlannedCheck[] {
  const inOrder = leastRecentFirst(blobs);
  const plan: PlannedCheck[] = [];
  let beginAtMs = Number.POSITIVE_INFINITY;
  // From the last to the first: each must be done when the next one begins, and by its own time.
  for (const blob of inOrder.toReversed()) {
    const readingMs = (blob.size * 1000) / (rate * PLANNED_PART);
    beginAtMs = Math.min(beginAtMs, blob.checkedAtMs + everyMs) - readingMs;
    plan.push({ ...blob, beginAtMs });
  }
  return plan.toReversed();
}

/** The order in which they are read. */
export function leastRecentFirst(blobs: readonly CheckedBlob[]): CheckedBlob[] {
  return blobs.toSorted((a, b) => a.checkedAtMs - b.checkedAtMs || (a.sha1 < b.sha1 ? -1 : 1));
}
