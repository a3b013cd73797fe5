/** Dates as people write them, as stretches of time: `published<=2024-01-01` includes that day, `published=2024` is a whole year. */
import { comparePublishedAt, parsePublishedAt, type PublishedAt } from '../imgapi/published-at.ts';
import type { Period } from './selector.ts';

/** What would do, for messages. */
export const PERIOD_EXAMPLES = '2024, 2024-01, 2024-01-31 or 2024-01-31T12:00:00Z';

const DAY_MS = 86_400_000;

/** A year, a month, a day, or a time to the minute, second or fraction (UTC without a zone); undefined for anything else. */
export function parsePeriod(text: string): Period | undefined {
  const [, year, month] = /^(\d{4})(?:-(\d\d))?$/.exec(text) ?? [];
  const from = parsePublishedAt(year === undefined ? text : `${year}-${month ?? '01'}-01`);
  if (from === undefined) return undefined;
  return { text, from, until: year === undefined ? endOf(text, from) : nextMonth(from, month === undefined ? 12 : 1) };
}

/** Negative before the period, 0 within it, positive after it. */
export function orderTo({ from, until }: Period, moment: PublishedAt): number {
  if (comparePublishedAt(moment, from) < 0) return -1;
  return comparePublishedAt(moment, until) < 0 ? 0 : 1;
}

function endOf(text: string, { epochMs, nanos }: PublishedAt): PublishedAt {
  const time = text.slice('2024-01-31'.length);
  if (time === '') return { epochMs: epochMs + DAY_MS, nanos };
  if (time.includes('.')) return nanos === 999_999 ? { epochMs: epochMs + 1, nanos: 0 } : { epochMs, nanos: nanos + 1 };
  const hasSeconds = /^.\d\d:\d\d:\d\d/.test(time);
  return { epochMs: epochMs + (hasSeconds ? 1000 : 60_000), nanos };
}

function nextMonth({ epochMs }: PublishedAt, months: number): PublishedAt {
  const date = new Date(epochMs);
  return { epochMs: date.setUTCMonth(date.getUTCMonth() + months), nanos: 0 };
}
