/** A key of the records: its kind, then its parts, so written that no two lists of parts give the same key. */
export function recordKey(kind: string, ...parts: readonly (string | number | null)[]): string {
  return parts.length === 0 ? kind : `${kind}:${JSON.stringify(parts)}`;
}
