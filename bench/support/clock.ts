/**
 * Milliseconds on the monotonic clock of the machine: times taken in different processes can be subtracted, and a wall clock that
 * is set meanwhile changes nothing.
 */
export function nowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
