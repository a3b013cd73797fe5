/**
 * Alert rules that are wrong in one place each: what they are held to must tell every one of them from the rule that is shipped.
 * PURE.
 */
import type { AlertRule } from '../../support/alert-rules.ts';

export interface Mutant {
  /** As in `for: 5m -> 150s`. */
  readonly what: string;
  readonly rule: AlertRule;
}

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const KEYWORD = /\b(?:or|and|unless)\b(?: (?:on|ignoring) \([^)]*\))?/y;

/** Every one that is made by rule; those of other alerts are left out by their nature, not by name. */
export function mutantsOf(rule: AlertRule): readonly Mutant[] {
  return [
    ...ofTheDuration(rule),
    ...mutatedExpressions(rule.expr).map(([what, expr]) => ({ what, rule: { ...rule, expr } })),
  ];
}

function ofTheDuration({ for: duration, ...rest }: AlertRule): Mutant[] {
  // One without must not come to have one.
  if (duration === undefined) return [{ what: 'for: none -> 2h', rule: { ...rest, for: '2h' } }];
  const scaled = [0.5, 1.5].map((factor) => {
    const other = scale(duration, factor);
    return { what: `for: ${duration} -> ${other}`, rule: { ...rest, for: other } };
  });
  return [{ what: `for: ${duration} -> none`, rule: rest }, ...scaled];
}

type Mutated = readonly [what: string, expr: string];

function mutatedExpressions(expr: string): Mutated[] {
  return [
    ...replaced(expr, /\[(\d+[smhd])(?=\])/g, (_, range = '') => [0.5, 2].map((factor) => `[${scale(range, factor)}`)),
    ...replaced(expr, /last_over_time\((\w+)\[\w+\]\)/g, (_, series = '') => [series]),
    // What is at least 0 is any number: less would be no other rule.
    ...replaced(expr, /(?<!>= )(?<![\w"[.])\d+(?:\.\d+)?(?![\w"\]])/g, (number) => otherNumbers(Number(number))),
    ...replaced(expr, /(?<=>= )\d+(?:\.\d+)?/g, (number) => (number === '0' ? ['1'] : otherNumbers(Number(number)))),
    // One alternative less, any at all, or the opposite.
    ...replaced(expr, /(\w+)(=~|!~|!=|=)"([^"]*)"(, )?/g, otherMatchers),
    ...replaced(expr, /without \(([^)]*)\)/g, (_, labels = '') => {
      const names = labels.split(', ');
      return names.map((name) => `without (${names.filter((each) => each !== name).join(', ')})`);
    }),
    ...replaced(expr, /\b(?:sum|max)(?= without)/g, (name) => [name === 'sum' ? 'max' : 'sum', 'min']),
    ...replaced(expr, / [<>]=? /g, (sign) => [sign.includes('<') ? ' > ' : ' < ']),
    ...replaced(expr, /\bclamp_m(?:in|ax)\b/g, (name) => [name === 'clamp_min' ? 'clamp_max' : 'clamp_min']),
    ...withoutBranches(expr),
    ...replaced(expr, / [+-] imgapi_mirror_\w+/g, () => ['']),
    ...replaced(expr, /\n +\+ (?:sum|ignoring)[^\n]*/g, () => ['']),
  ];
}

/** One for each match and each of its stand-ins. */
function replaced(
  expr: string,
  pattern: RegExp,
  standIns: (match: string, ...groups: string[]) => string[],
): Mutated[] {
  return [...expr.matchAll(pattern)].flatMap((found) =>
    standIns(found[0], ...found.slice(1)).map((other): Mutated => {
      const { index } = found;
      return [
        `${found[0].trim()} at ${index} -> ${other.trim() || 'nothing'}`,
        expr.slice(0, index) + other + expr.slice(index + found[0].length),
      ];
    }),
  );
}

function otherNumbers(number: number): string[] {
  return number === 0 ? ['1', '-1'] : [0.75, 1.5].map((factor) => String(number * factor));
}

function otherMatchers(_: string, label = '', sign = '', values = '', comma = ''): string[] {
  const alternatives = values.split('|');
  const fewer = alternatives.length === 1 ? [] : alternatives.map((each) => alternatives.filter((one) => one !== each));
  const opposite = sign.startsWith('!')
    ? sign.replace('!', '=').replace('==', '=')
    : sign.replace(/^=/, '!').replace(/^!$/, '!=');
  return [
    ...fewer.map((left) => `${label}${sign}"${left.join('|')}"${comma}`),
    `${label}=~".*"${comma}`,
    `${label}${opposite}"${values}"${comma}`,
  ];
}

/** Without what is on either side of each `or`, `and` and `unless`. */
function withoutBranches(expr: string): Mutated[] {
  const mutated: Mutated[] = [];
  for (let at = 0; at < expr.length; at++) {
    KEYWORD.lastIndex = at;
    const keyword = KEYWORD.exec(expr)?.[0];
    if (keyword === undefined) continue;
    const [start, end] = [edge(expr, at - 1, -1), edge(expr, at + keyword.length, 1)];
    mutated.push([`${keyword} at ${at}: only before`, expr.slice(0, at) + expr.slice(end)]);
    mutated.push([`${keyword} at ${at}: only after`, expr.slice(0, start) + expr.slice(at + keyword.length)]);
  }
  return mutated;
}

/** Where the branch ends that has `from` in it, walking one way: at a parenthesis or keyword around it, or the end of all. */
function edge(expr: string, from: number, direction: 1 | -1): number {
  let depth = 0;
  for (let at = from; at >= 0 && at < expr.length; at += direction) {
    const char = expr[at] ?? '';
    if (char === '(' || char === ')') depth += (char === '(') === (direction === 1) ? 1 : -1;
    if (depth < 0) return direction === 1 ? at : at + 1;
    KEYWORD.lastIndex = at;
    const keyword = depth === 0 && /\W/.test(expr[at - 1] ?? ' ') ? KEYWORD.exec(expr)?.[0] : undefined;
    if (keyword !== undefined) return direction === 1 ? at : at + keyword.length;
  }
  return direction === 1 ? expr.length : 0;
}

function scale(duration: string, factor: number): string {
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(duration) ?? [];
  return `${Math.round(Number(count) * (SECONDS_OF[unit] ?? Number.NaN) * factor)}s`;
}
