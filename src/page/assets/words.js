/** Numbers, times and texts as the pages write them, the same as in src/page/wording.ts and downloads.ts, and how they get there. */

export const byId = (id) => document.getElementById(id);

export function bytesText(bytes) {
  if (!Number.isFinite(bytes)) return 'unknown';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let at = 0;
  while (value >= 1023.5 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${value.toFixed(at > 0 && value < 99.95 ? 1 : 0)} ${units[at]}`;
}

export function percentText(ratio) {
  if (!Number.isFinite(ratio)) return '–';
  const percent = Math.round(ratio * 100);
  if (percent === 100 && ratio < 1) return '99%';
  return percent === 0 && ratio > 0 ? '1%' : `${percent}%`;
}

export const countText = (count) => count.toLocaleString('en');
export const counted = (count, one) => `${countText(count)} ${count === 1 ? one : `${one}s`}`;

/** @param nowMs by the clock of the mirror, as `iso` is */
export function agoText(iso, nowMs) {
  const seconds = Math.floor((nowMs - Date.parse(iso)) / 1000);
  if (seconds < 5) return 'just now';
  const steps = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ];
  const [unit, size] = steps.find(([, length]) => seconds >= length);
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

/** A file can be fetched and passed through at once. */
export const keyOf = ({ sha1, passedThrough }) => `${sha1}${passedThrough ? '-passed' : ''}`;

export function howText({ priority, followers, passedThrough }) {
  if (priority === 'prefetch') return 'prefetch';
  return `${counted(followers, 'follower')}${passedThrough ? ', passed through' : ''}`;
}

export function setText(element, text) {
  if (element !== null && element.textContent !== text) element.textContent = text;
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Control and direction characters made visible, as the server does. */
export function plain(text) {
  return text.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
