/** Checks of texts that must be more than text: URLs, hosts, names, headers. */
import { isIP } from 'node:net';
import { IMPORTED } from './reserved-names.ts';
import { checkListSelectorText, checkSelectorText } from './selector-format.ts';
import { parseDays, parseTimeOfDay, parseTimeWindow } from './time-window.ts';

/** The named forms a text key can be asked to have. */
export type Format = keyof typeof FORMATS;

/** The text, perhaps tidied; or what would do in its place. */
export type FormatResult = { readonly value: string } | { readonly wants: string };

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;

/** Headers that the mirror sets or that belong to one connection; a configured one would break requests or resuming. */
const OWN_HEADERS = new Set([
  'accept-encoding',
  'accept-version',
  'connection',
  'content-length',
  'expect',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'range',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'x-request-id',
]);

const FORMATS = {
  host: (text: string): FormatResult =>
    // No name ends in a number: what does and is no address is a mistyped one.
    isIP(text) !== 0 || (/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/i.test(text) && !/(?:^|\.)\d+$/.test(text))
      ? { value: text }
      : { wants: 'an IP address or a host name, without a port or brackets,' },

  'http-url': checkHttpUrl,

  'collector-url': (text: string): FormatResult =>
    checkBaseUrl(text, { credentials: 'headers come from the variable OTEL_EXPORTER_OTLP_HEADERS' }),

  'upstream-name': (text: string): FormatResult => {
    // The name of the upstream that imported images form.
    if (text.toLowerCase() === IMPORTED) return { wants: 'another name (this one is for imported images)' };
    return isUpstreamName(text)
      ? { value: text }
      : { wants: 'letters, digits, ".", "_", ":" and "-", beginning with a letter or digit,' };
  },

  channel: (text: string): FormatResult =>
    /^(?:\*|[\w.-]+)$/.test(text) ? { value: text } : { wants: 'the name of a channel, or "*" for all,' },

  'header-name': (text: string): FormatResult => {
    if (OWN_HEADERS.has(text.toLowerCase())) return { wants: 'another header (the mirror sets this one itself)' };
    return TOKEN.test(text) ? { value: text } : { wants: 'the name of a header (letters, digits and "-")' };
  },

  'header-value': (text: string): FormatResult =>
    // RFC 9110, section 5.5: visible characters, spaces and tabs; spaces at the ends would be lost on the wire.
    /^(?:[!-~](?:[\t -~]*[!-~])?)?$/.test(text)
      ? { value: text }
      : { wants: 'printable ASCII on one line, without spaces at its ends,' },

  proxy: (text: string): FormatResult => {
    if (text === 'env' || text === 'none') return { value: text };
    const url = httpUrl(text);
    const isPlain = url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '';
    return isPlain ? { value: text } : { wants: 'env, none, or the http:// or https:// URL of a proxy' };
  },

  cidr: (text: string): FormatResult => {
    const [address = '', bits, ...rest] = text.split('/');
    const family = isIP(address);
    const most = family === 6 ? 128 : 32;
    const isSound =
      family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most));
    return isSound
      ? { value: text }
      : { wants: 'an IP address or a range of them, such as 192.0.2.0/24 or 2001:db8::/32,' };
  },

  origin: (text: string): FormatResult => {
    const url = httpUrl(text);
    const isPlain =
      url !== undefined && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
    return isPlain ? { value: url.origin } : { wants: 'an http:// or https:// URL without a path' };
  },

  'begin-time': (text: string): FormatResult =>
    parseTimeOfDay(text) === undefined || text === '24:00'
      ? { wants: 'a time of the day from 00:00 to 23:59' }
      : { value: text },

  'end-time': (text: string): FormatResult =>
    parseTimeOfDay(text) === undefined ? { wants: 'a time of the day from 00:00 to 24:00' } : { value: text },

  days: (text: string): FormatResult =>
    parseDays(text) === undefined
      ? { wants: 'days such as mon-fri or sat,sun (mon, tue, wed, thu, fri, sat, sun)' }
      : { value: text },

  'time-window': (text: string): FormatResult =>
    parseTimeWindow(text) === undefined ? { wants: 'hours such as 01:00-05:00 or 22:00-06:00' } : { value: text },

  selector: checkSelectorText,

  'list-selector': checkListSelectorText,

  path: (text: string): FormatResult => (text.includes('\0') ? { wants: 'a path' } : { value: text }),
};

/** Checks a text against a named form. */
export function checkFormat(format: Format, text: string): FormatResult {
  return FORMATS[format](text);
}

/** True for what can name an upstream: short, and safe in a metric's label and in a log line. */
export function isUpstreamName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._:-]{0,63}$/i.test(text);
}

/** A base URL: http or https, no query, fragment or credentials. The result has no slash at its end, so that paths can be put behind it. */
export function checkHttpUrl(text: string): FormatResult {
  return checkBaseUrl(text, {
    credentials: 'they belong in headers.Authorization',
    query: 'a channel has a key of its own',
  });
}

/** `instead`: where what is no part of it is to go. */
function checkBaseUrl(text: string, instead: { readonly credentials: string; readonly query?: string }): FormatResult {
  const url = httpUrl(text);
  if (url === undefined) return { wants: 'an http:// or https:// URL' };
  if (url.username !== '' || url.password !== '')
    return { wants: `a URL without credentials (${instead.credentials})` };
  if (/[?#]/.test(text))
    return { wants: `a URL without query or fragment${instead.query === undefined ? '' : ` (${instead.query})`}` };
  return { value: url.href.replace(/\/+$/, '') };
}

/** `new URL` forgives spaces, line breaks, backslashes and missing slashes; a configuration need not. */
function httpUrl(text: string): URL | undefined {
  return /^https?:\/\/[^\s\\/]\S*$/i.test(text) && !text.includes('\\') ? (URL.parse(text) ?? undefined) : undefined;
}
