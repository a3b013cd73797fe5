/** What is wrong with a configuration, said in one line: where, which key, what was found, what would do. */

/** One reason why a configuration is refused. */
export interface ConfigProblem {
  /** The key's path, such as `upstreams[0].url`; empty when the problem is not about a key. */
  readonly key: string;
  /** `FILE:LINE`, a variable's name or a flag; undefined where nobody wrote the key. */
  readonly where: string | undefined;
  /** What was found and what would do. No line breaks, no control characters, no secrets. */
  readonly message: string;
}

/** Where a key stands: names, and numbers for the entries of lists. */
export type KeyPath = readonly (string | number)[];

/** Tells of a problem with the key at `path`. */
export type Report = (path: KeyPath, message: string) => void;

/** Longest piece of a found value that is quoted, in characters. */
const MAX_QUOTED = 80;

/** `FILE:LINE: key: message`, without the parts that are not known. */
export function formatProblem(problem: ConfigProblem): string {
  return escape(
    [problem.where, problem.key, problem.message].filter((part) => part !== undefined && part !== '').join(': '),
  );
}

/** `upstreams[0].url`; a name that is not a plain word is quoted. */
export function formatKeyPath(path: KeyPath): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else text += (text === '' ? '' : '.') + (/^[\w-]{1,64}$/.test(step) ? step : quote(step));
  }
  return text;
}

/** A value as it can be shown: kind instead of content for lists and mappings, credentials in URLs masked, cut when long. */
export function quote(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string')
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : `a ${typeof value}`;
  const masked = maskUrl(value);
  return escape(JSON.stringify(masked.length > MAX_QUOTED ? `${masked.slice(0, MAX_QUOTED)}...` : masked));
}

/** `found X; Y would do`. */
export function foundButWants(found: unknown, wants: string): string {
  return `found ${quote(found)}; ${wants} would do`;
}

/** Text that is safe on a terminal and in one line: control and direction characters become `\uXXXX`. */
export function escape(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The text with the credentials of a URL, and its query, masked. */
export function maskUrl(text: string): string {
  const masked = text.replace(/^([\w+.-]+:\/*)?[^/]*@/, '$1***@');
  return /^[\w+.-]+:\/\//.test(masked) ? masked.replace(/\?.+$/s, '?***') : masked;
}
