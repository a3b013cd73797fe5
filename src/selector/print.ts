/** Selectors as text; what is printed parses back to the same selector. */
import { formatSize } from '../config/units.ts';
import type { Selector, Term } from './selector.ts';

/** `name=base-64* latest=2 with-origins`: the terms in their order, then `latest`, then `with-origins`. */
export function printSelector({ terms, latest, withOrigins }: Selector): string {
  return [
    ...terms.map(printTerm),
    ...(latest === undefined ? [] : [`latest=${latest}`]),
    ...(withOrigins ? ['with-origins'] : []),
  ].join(' ');
}

/** One term, quoted where it has to be. */
export function printTerm(term: Term): string {
  switch (term.kind) {
    case 'uuid':
      return term.prefix;
    case 'text':
      return `${term.key}=${quoted(term.pattern)}`;
    case 'tag':
      return /\s/.test(term.key) ? `"tag.${term.key}=${term.pattern}"` : `tag.${term.key}=${quoted(term.pattern)}`;
    case 'published':
      return `published${term.comparison}${quoted(term.period.text)}`;
    case 'size':
      return `size${term.comparison}${formatSize(term.bytes)}`;
    case 'fact':
    default:
      return term.word;
  }
}

/** Quotes within it are behind a backslash already, as it was parsed. */
function quoted(pattern: string): string {
  return /\s/.test(pattern) ? `"${pattern}"` : pattern;
}
