/** Checks of selectors in a configuration. */
import { parseSelector, type SelectorProblem } from '../selector/parse.ts';
import { quote } from './problem.ts';

/** The text, or what would do in its place: mended where it is plain what was meant, and in any case where it is wrong and how. */
type Checked = { readonly value: string } | { readonly wants: string };

/** Any selector. */
export function checkSelectorText(text: string): Checked {
  const parsed = parseSelector(text);
  if (parsed.ok) return { value: text };
  const [first] = parsed.problems;
  return first === undefined ? { value: text } : { wants: wantsOf(first) };
}

/** A selector of what one list says. What is cached or pinned changes while the list does not. */
export function checkListSelectorText(text: string): Checked {
  const parsed = parseSelector(text);
  if (!parsed.ok) return checkSelectorText(text);
  const fact = parsed.selector.terms.find((term) => term.kind === 'fact');
  return fact === undefined ? { value: text } : { wants: `a selector without ${fact.word}, which no list tells,` };
}

function wantsOf({ selector, term, position, message, suggestion }: SelectorProblem): string {
  const mended =
    suggestion === undefined || term === ''
      ? 'a selector'
      : quote(`${selector.slice(0, position)}${suggestion}${selector.slice(position + term.length)}`);
  return `${mended} (character ${position + 1}: ${message})`;
}
