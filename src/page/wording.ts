/** Numbers and times as the page writes them. PURE. The module in assets/ writes the same. */
import { html, type Html } from './html.ts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `1.5 GiB`; of what is not known (null, NaN) `unknown`. */
export function bytesText(bytes: number | null): string {
  if (bytes === null || !Number.isFinite(bytes)) return 'unknown';
  let value = bytes;
  let at = 0;
  while (value >= 1023.5 && at < UNITS.length - 1) {
    value /= 1024;
    at += 1;
  }
  const digits = at > 0 && value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[at]}`;
}

/** `93%`; 100 and 0 only where it is all or nothing. */
export function percentText(ratio: number | null): string {
  if (ratio === null || !Number.isFinite(ratio)) return '–';
  const percent = Math.round(ratio * 100);
  if (percent === 100 && ratio < 1) return '99%';
  if (percent === 0 && ratio > 0) return '1%';
  return `${percent}%`;
}

/** `12,345` */
export function countText(count: number): string {
  return count.toLocaleString('en');
}

/** `1 image`, `2 images` */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** The beginning of a text, no half character at its end; `…` where there is more. */
export function clipped(text: string, most: number): string {
  if (text.length <= most) return text;
  const beginning = text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '');
  return `${beginning.trimEnd()} …`;
}

const STEPS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
];

/** `3 h`, in whole units, rounded down. */
function durationText(seconds: number): string {
  const [unit, size] = STEPS.find(([, length]) => seconds >= length) ?? ['s', 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}

/** A moment as how long ago it was; the exact time is in the element. `never` where there is none. */
export function ago(iso: string | null, nowMs: number, never = 'never'): Html {
  if (iso === null) return html`${never}`;
  const seconds = (nowMs - Date.parse(iso)) / 1000;
  const text = seconds < 5 ? 'just now' : `${durationText(seconds)} ago`;
  return html`<time datetime="${iso}" title="${iso}">${text}</time>`;
}
