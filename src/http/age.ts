/** The `Age` header (RFC 9111 section 5.1). PURE. */

/** Whole seconds since `sinceMs`, never negative. */
export function ageSeconds(sinceMs: number, nowMs: number): string {
  return String(Math.max(0, Math.floor((nowMs - sinceMs) / 1000)));
}
