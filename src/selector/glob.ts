/** Patterns of texts: `*` stands for any characters, `?` for one, `\` takes what follows as it is. */

const ANY = Symbol('any characters');
const ONE = Symbol('one character');
type Step = string | typeof ANY | typeof ONE;

/**
 * A function that tells whether a whole text is of the pattern. Takes at most the product of their lengths in steps: a
 * regular expression with many stars would take for ever on a text made for that.
 */
export function createGlob(pattern: string): (text: string) => boolean {
  const steps = stepsOf(pattern);
  if (steps.every((step) => typeof step === 'string')) {
    const literal = steps.join('');
    return (text) => text === literal;
  }
  return (text) => matches(steps, text);
}

/** The pattern's own characters, its stars and question marks left out: for "did you mean". */
export function literalPart(pattern: string): string {
  return stepsOf(pattern)
    .filter((step) => typeof step === 'string')
    .join('');
}

function stepsOf(pattern: string): readonly Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < pattern.length; at += 1) {
    const character = pattern.charAt(at);
    if (character === '*') {
      if (steps.at(-1) !== ANY) steps.push(ANY);
    } else if (character === '?') {
      steps.push(ONE);
    } else if (character === '\\' && at + 1 < pattern.length) {
      at += 1;
      steps.push(pattern.charAt(at));
    } else {
      steps.push(character);
    }
  }
  return steps;
}

/** Only the last star has to be reconsidered: whatever fits after it fits after an earlier one that took more. */
function matches(steps: readonly Step[], text: string): boolean {
  let [step, at] = [0, 0];
  let star: { readonly step: number; readonly at: number } | undefined;
  while (at < text.length) {
    const wanted = steps[step];
    if (wanted === ANY) {
      star = { step, at };
      step += 1;
    } else if (wanted === ONE || (wanted !== undefined && wanted === text.charAt(at))) {
      step += 1;
      at += 1;
    } else if (star !== undefined) {
      star = { step: star.step, at: star.at + 1 };
      step = star.step + 1;
      at = star.at;
    } else {
      return false;
    }
  }
  return steps.slice(step).every((left) => left === ANY);
}
