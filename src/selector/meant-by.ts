/** What a bare word may have been meant for: it is no term, as it would be too easy to name everything with it. */
import { counted } from '../config/units.ts';
import { createMatcher, type Facts, type Selectable } from './match.ts';
import type { SelectorProblem } from './parse.ts';
import { printTerm } from './print.ts';
import { TEXT_KEYS, type Term } from './selector.ts';

/** Words of one input that are looked for: each is compared with every image. */
const MAX_WORDS = 5;

/** The term for images that have the word in the value of the key; wildcards in it stay what they are. */
export function termFor(key: (typeof TEXT_KEYS)[number], word: string): Term {
  return { kind: 'text', key, pattern: /[*?]/.test(word) ? word : `*${word}*` };
}

/** Problems with bare words say which terms would do in place of these, and how many images each selects. */
export function explainWords<T extends Selectable>(
  problems: readonly SelectorProblem[],
  images: readonly T[],
  facts: Facts<T>,
): readonly SelectorProblem[] {
  const words = new Set(problems.flatMap(({ word }) => word ?? []).slice(0, MAX_WORDS));
  return problems.map((problem) => {
    const { word, suggestion: _, ...rest } = problem;
    if (word === undefined || !words.has(word)) return problem;
    const meant = [word, word.toLowerCase()]
      .map((text) => termsWith(text, images, facts))
      .find(({ length }) => length > 0);
    if (meant !== undefined) return { ...rest, suggestion: meant.join(' or ') };
    const message = `${problem.message}; none of ${counted(images.length, 'image')} has it in its name`;
    return { ...rest, message };
  });
}

/** `name=*base* (12 images)`, ... for all that select some. */
function termsWith<T extends Selectable>(word: string, images: readonly T[], facts: Facts<T>): readonly string[] {
  return TEXT_KEYS.flatMap((key) => {
    const term = termFor(key, word);
    const { length } = images.filter(createMatcher(term, facts));
    return length === 0 ? [] : [`${printTerm(term)} (${counted(length, 'image')})`];
  });
}
