/** Sizes, times and rates as people write them, to and from plain numbers. */

export type Unit = 'size' | 'time' | 'rate';

/** Bytes. Powers of 1024 only: with `GB` nobody knows which was meant. */
const SIZES: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
  ['TiB', 2 ** 40],
]);

/** Milliseconds. */
const TIMES: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** At most 15 digits before the point, so that a number is never silently another one. */
const AMOUNT = /^(\d{1,15}(?:\.\d{1,15})?) ?([A-Za-z]+)$/;

function parse(text: string, units: ReadonlyMap<string, number>): number | undefined {
  // Nothing is nothing in every unit; every other bare number is a guess about its unit.
  if (text === '0') return 0;
  const [, amount, name] = AMOUNT.exec(text) ?? [];
  const factor = units.get(name ?? '');
  if (amount === undefined || factor === undefined) return undefined;
  const value = Math.round(Number(amount) * factor);
  return Number.isSafeInteger(value) ? value : undefined;
}

function format(value: number, units: ReadonlyMap<string, number>): string {
  let [text, largest] = ['', 0];
  for (const [name, factor] of units) {
    // The largest unit that divides it, so that parsing gives the same number back.
    if (factor > largest && value % factor === 0) [text, largest] = [`${value / factor}${name}`, factor];
  }
  return value === 0 ? '0' : text;
}

/** Bytes of `200GiB`; `0` needs no unit. Undefined for anything else, bare numbers included. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZES);
}

/** Milliseconds of `30s`; `0` needs no unit. Undefined for anything else, bare numbers included. */
export function parseTime(text: string): number | undefined {
  return parse(text, TIMES);
}

/** Bytes per second of `5MiB` or `5MiB/s`. Undefined for anything else. */
export function parseRate(text: string): number | undefined {
  return parseSize(text.endsWith('/s') ? text.slice(0, -2) : text);
}

/** `200GiB` for whole bytes; parses back to the same number. */
export function formatSize(bytes: number): string {
  return format(bytes, SIZES);
}

/** To a tenth of the largest unit of which there is at least one: for reading, not for a configuration. */
export function roughSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const at = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Math.round((bytes / 1024 ** at) * 10) / 10}${units[at]}`;
}

/** To a tenth of the largest unit of which there is at least one, such as `1.5m`: for reading, not for a configuration. */
export function roughTime(ms: number): string {
  let text = '0s';
  for (const [name, factor] of TIMES) if (ms >= factor) text = `${Math.round((ms / factor) * 10) / 10}${name}`;
  return text;
}

/** `1 image`, `3 images` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `30s` for whole milliseconds; parses back to the same number. */
export function formatTime(ms: number): string {
  return format(ms, TIMES);
}

/** `5MiB/s` for whole bytes per second; parses back to the same number. */
export function formatRate(bytesPerSecond: number): string {
  return bytesPerSecond === 0 ? '0' : `${formatSize(bytesPerSecond)}/s`;
}

/** Other spellings of sizes: of a number with a prefix the power of 1024 was most probably meant. */
function sizeMeant(text: string): string | undefined {
  const [, amount, prefix = ''] = /^(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt])i?b?$/i.exec(text) ?? [];
  return amount === undefined ? undefined : `${amount}${prefix.toUpperCase()}iB`;
}

function rateMeant(text: string): string | undefined {
  return sizeMeant(text.replace(/\s*\/s$/i, ''));
}

/** Other spellings of times: the first letter tells, but for milliseconds; `M` alone may be a month. */
function timeMeant(text: string): string | undefined {
  const [, amount, name = ''] =
    /^(\d{1,15}(?:\.\d{1,15})?)\s*(ms|msecs?|milliseconds?|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|d|days?)$/i.exec(
      text,
    ) ?? [];
  if (amount === undefined) return undefined;
  const unit = name.toLowerCase();
  return `${amount}${/^m(?:s|il)/.test(unit) ? 'ms' : unit.charAt(0)}`;
}

/** What is too much in any spelling is no better in another. */
function ifParsed(text: string | undefined, parsed: (text: string) => number | undefined): string | undefined {
  return text === undefined || parsed(text) === undefined ? undefined : text;
}

/** Parsing, formatting and the names of each unit, by kind. `meant`: what a text that does not parse probably meant, if that is plain. */
export const UNITS: Readonly<
  Record<
    Unit,
    {
      readonly parse: (text: string) => number | undefined;
      readonly format: (value: number) => string;
      readonly meant: (text: string) => string | undefined;
      readonly wants: string;
    }
  >
> = {
  size: {
    parse: parseSize,
    format: formatSize,
    meant: (text) => ifParsed(sizeMeant(text), parseSize),
    wants: 'a size with its unit (B, KiB, MiB, GiB, TiB)',
  },
  time: {
    parse: parseTime,
    format: formatTime,
    meant: (text) => ifParsed(timeMeant(text), parseTime),
    wants: 'a time with its unit (ms, s, m, h, d)',
  },
  rate: {
    parse: parseRate,
    format: formatRate,
    meant: (text) => ifParsed(rateMeant(text), parseRate),
    wants: 'a size per second with its unit (B, KiB, MiB, GiB, TiB)',
  },
};
