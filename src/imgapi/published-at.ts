/**
 * `published_at` as a point in time. Real catalogs write it with 0 to 9 fraction digits, without seconds and without a zone;
 * the text itself is passed through untouched, this is only what images are ordered by.
 */

/** A point in time to the nanosecond; compare with `comparePublishedAt`. */
export interface PublishedAt {
  /** Milliseconds since 1970, UTC. */
  readonly epochMs: number;
  /** Nanoseconds beyond the millisecond, 0 to 999999. */
  readonly nanos: number;
}

const ISO_TIME =
  /^(\d{4}-\d\d)-(\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$/i;

/**
 * Reads an ISO 8601 date and time: seconds, up to 9 fraction digits, the zone (absent = UTC) and the time of day (absent = midnight)
 * are optional. Undefined for everything else, days that do not exist included.
 */
export function parsePublishedAt(text: string): PublishedAt | undefined {
  const match = ISO_TIME.exec(text);
  if (match === null) return undefined;
  const [, month, day, time = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match;
  const wholeSecondsMs = Date.parse(`${month}-${day}T${time}:${seconds}Z`);
  // Date.parse takes 30 February and 24:00 for a time on a later day.
  if (Number.isNaN(wholeSecondsMs) || new Date(wholeSecondsMs).getUTCDate() !== Number(day)) return undefined;
  const digits = fraction.padEnd(9, '0');
  return {
    epochMs: wholeSecondsMs + Number(digits.slice(0, 3)) - offsetMs(zone),
    nanos: Number(digits.slice(3)),
  };
}

/** Negative if `a` is earlier, positive if later, 0 for the same nanosecond. */
export function comparePublishedAt(a: PublishedAt, b: PublishedAt): number {
  return a.epochMs - b.epochMs || a.nanos - b.nanos;
}

/** Milliseconds that a zone (`Z`, `+02`, `+0200`, `-05:30`) is ahead of UTC. */
function offsetMs(zone: string): number {
  if (zone === 'Z' || zone === 'z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(3).replace(':', ''));
  return (zone.startsWith('-') ? -minutes : minutes) * 60_000;
}
