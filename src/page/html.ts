/** HTML as text in which nothing is markup that was not written as such here. PURE. */
import { escape } from '../config/problem.ts';

/** Markup; made by `html` alone. */
export class Html {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  toString(): string {
    return this.#text;
  }
}

/** What can stand in a template: null, undefined and false are nothing. */
export type Part = Html | string | number | null | undefined | false | readonly Part[];

/**
 * A template whose values are text: escaped, with control and direction characters shown as `\uXXXX`, wherever they stand; in attributes
 * only between double quotes. Markup goes in as what another `html` has made.
 */
export function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Html {
  let text = pieces[0] ?? '';
  parts.forEach((part, at) => {
    text += textOf(part) + (pieces[at + 1] ?? '');
  });
  return new Html(text);
}

function textOf(part: Part): string {
  if (part === null || part === undefined || part === false) return '';
  if (part instanceof Html) return part.toString();
  if (typeof part === 'object') return part.map(textOf).join('');
  return escapeHtml(String(part));
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Text that means itself in HTML, within elements and within quoted attributes. */
function escapeHtml(text: string): string {
  return escape(text).replaceAll(/[&<>"'`]/g, (character) => ENTITIES[character] ?? '');
}

/** Text of several lines, for where CSS keeps them: the ends of lines are the only control characters that stay what they are. */
export function linesHtml(text: string): Html {
  return new Html(text.split(/\r?\n/).map(escapeHtml).join('\n'));
}
