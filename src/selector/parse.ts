/** Texts to selectors, or everything that is wrong with them: what, where, and what would be right. */
import { nearest } from '../config/nearest.ts';
import { escape, quote } from '../config/problem.ts';
import { parseSize, UNITS } from '../config/units.ts';
import { termFor } from './meant-by.ts';
import { parsePeriod, PERIOD_EXAMPLES } from './period.ts';
import { printTerm } from './print.ts';
import {
  COMPARISONS,
  FACT_WORDS,
  TEXT_KEYS,
  UUID_START,
  type Comparison,
  type FactWord,
  type Selector,
  type Term,
  type TextKey,
} from './selector.ts';
import { splitTerms, type Token } from './tokens.ts';

/** Why a selector is refused. */
export interface SelectorProblem {
  /** The whole selector as written. */
  readonly selector: string;
  /** The term as written; empty if the problem is not about one. */
  readonly term: string;
  /** Characters before the term; 0 if the problem is not about one. */
  readonly position: number;
  /** What was found and what would do, in one line. */
  readonly message: string;
  /** A term that may have been meant. */
  readonly suggestion?: string;
  /** A word that is no term, but may be in a name: `explainWords` says of which images. */
  readonly word?: string;
}

export type ParsedSelector =
  | { readonly ok: true; readonly selector: Selector }
  | { readonly ok: false; readonly problems: readonly SelectorProblem[] };

export type ParsedSelectors =
  | { readonly ok: true; readonly selectors: readonly Selector[] }
  | { readonly ok: false; readonly problems: readonly SelectorProblem[] };

/** Longest text of a selector, in characters. */
export const MAX_SELECTOR_LENGTH = 4096;
/** Most terms of one selector: each costs a look at every image. */
const MAX_TERMS = 50;
const MAX_LATEST = 1_000_000;
/** Longest word that may be in a name. */
const MAX_WORD = 100;

const KEYS = [...TEXT_KEYS, 'tag.KEY', 'published', 'size', 'latest'];
const WORDS = ['with-origins', ...FACT_WORDS];
const EVERYTHING = `known are a uuid, ${KEYS.map((key) => `${key}=`).join(', ')}, ${WORDS.join(', ')}`;

/** What one term says: a condition, or how many, or that origins belong to it; or what is wrong with it. */
type Reading =
  | { readonly term: Term }
  | { readonly latest: number }
  | { readonly withOrigins: true }
  | { readonly message: string; readonly suggestion?: string; readonly word?: string };

/** Parses one selector, such as `name=base-64* os=smartos latest=2 with-origins`. Never throws. */
export function parseSelector(text: string): ParsedSelector {
  const problems: SelectorProblem[] = [];
  const report = (
    token: Token | undefined,
    message: string,
    more: Pick<SelectorProblem, 'suggestion' | 'word'> = {},
  ) => {
    problems.push({ selector: text, term: token?.source ?? '', position: token?.position ?? 0, message, ...more });
  };
  const wrong = (): ParsedSelector => ({ ok: false, problems });

  if (text.length > MAX_SELECTOR_LENGTH) {
    report(undefined, `${text.length} characters long; at most ${MAX_SELECTOR_LENGTH} would do`);
    return wrong();
  }
  const split = splitTerms(text);
  if (!split.ok) {
    report(split.unclosed, 'quotes open and nothing closes them; \\" is a quote as such');
    return wrong();
  }
  const { tokens } = split;
  if (tokens.length === 0) report(undefined, `empty; ${EVERYTHING}`);
  if (tokens.length > MAX_TERMS) report(tokens[MAX_TERMS], `more than ${MAX_TERMS} terms`);
  const terms: Term[] = [];
  let latest: number | undefined;
  let withOrigins = false;
  for (const token of tokens.slice(0, MAX_TERMS)) {
    const reading = readTerm(token.text);
    if ('message' in reading) {
      const { message, ...more } = reading;
      report(token, message, more);
    } else if ('withOrigins' in reading) {
      withOrigins = true;
    } else if ('latest' in reading) {
      if (latest !== undefined) report(token, 'latest is there twice; once would do');
      latest = reading.latest;
    } else {
      if (reading.term.kind === 'uuid' && terms.some(({ kind }) => kind === 'uuid')) {
        report(token, 'a second uuid: no image has two; each would do as a selector of its own');
      }
      terms.push(reading.term);
    }
  }
  if (problems.length === 0 && terms.length === 0 && latest === undefined) {
    const only = tokens[0];
    report(only, 'with-origins alone says nothing of the images; it would do in one selector with other terms');
  }
  return problems.length === 0 ? { ok: true, selector: { terms, latest, withOrigins } } : wrong();
}

/** Parses several; of all that are wrong every problem comes back. Never throws. */
export function parseSelectors(texts: readonly string[]): ParsedSelectors {
  const selectors: Selector[] = [];
  const problems: SelectorProblem[] = [];
  for (const text of texts) {
    const parsed = parseSelector(text);
    if (parsed.ok) selectors.push(parsed.selector);
    else problems.push(...parsed.problems);
  }
  return problems.length === 0 ? { ok: true, selectors } : { ok: false, problems };
}

/** What is wrong with them; empty if nothing is. */
export function checkSelectors(texts: readonly string[]): readonly SelectorProblem[] {
  const parsed = parseSelectors(texts);
  return parsed.ok ? [] : parsed.problems;
}

/** One line: `"nmae=base", character 1: unknown key "nmae"; did you mean name=base?` */
export function formatSelectorProblem({ selector, term, position, message, suggestion }: SelectorProblem): string {
  const where = term === '' ? quote(selector) : `${quote(selector)}, character ${position + 1}`;
  return `${where}: ${message}${suggestion === undefined ? '' : `; did you mean ${escape(suggestion)}?`}`;
}

function readTerm(text: string): Reading {
  if (text.startsWith('tag.')) return readTag(text);
  const at = text.search(/[<>=]/);
  if (at === -1) return readWord(text);
  const key = text.slice(0, at);
  const comparison = COMPARISONS.find((one) => text.startsWith(one, at)) ?? '=';
  return readPair(key, comparison, text.slice(at + comparison.length));
}

/** A term without a value: a fact, or a uuid. */
function readWord(text: string): Reading {
  const lower = text.toLowerCase();
  if (isFactWord(text)) return { term: { kind: 'fact', word: text } };
  if (text === 'with-origins') return { withOrigins: true };
  if (UUID_START.test(lower)) return { term: { kind: 'uuid', prefix: lower } };
  if (KEYS.includes(lower)) return { message: `${lower} needs a value`, suggestion: sampleOf(lower) };
  // A substring, as imgadm and the image server's own filters write it.
  const [, key, part] = /^([a-z]+)!?~(.+)$/.exec(text) ?? [];
  if (key !== undefined && isTextKey(key)) return { message: `${key} takes =`, suggestion: `${key}=*${part}*` };
  const word = nearest(text, WORDS);
  if (word !== undefined) return { message: `unknown term ${quote(text)}`, suggestion: word };
  const meant = text.length > MAX_WORD ? {} : { suggestion: printTerm(termFor('name', text)), word: text };
  if (/^[0-9a-f]{1,7}$/.test(lower))
    return { message: `${quote(text)} is too little of a uuid; 8 digits would do`, ...meant };
  if (/^[0-9a-f-]{9,}$/.test(lower)) return { message: `${quote(text)} is not of the form of a uuid` };
  return { message: `${quote(text)} is no term; ${EVERYTHING}`, ...meant };
}

function readPair(key: string, comparison: Comparison, value: string): Reading {
  const isComparable = key === 'published' || key === 'size';
  if (!isComparable && key !== 'latest' && !isTextKey(key)) return unknownKey(key, comparison, value);
  if (!isComparable && comparison !== '=')
    return { message: `${key} takes no ${quote(comparison)}; = would do`, suggestion: `${key}=${value}` };
  if (value === '') return { message: `${key} needs a value`, suggestion: sampleOf(key) };
  if (isTextKey(key)) return { term: { kind: 'text', key, pattern: value } };
  if (key === 'published') {
    const period = parsePeriod(value);
    return period === undefined
      ? { message: `found ${quote(value)}; a date would do, such as ${PERIOD_EXAMPLES}` }
      : { term: { kind: 'published', comparison, period } };
  }
  if (key === 'size') {
    const bytes = parseSize(value);
    return bytes === undefined
      ? { message: `found ${quote(value)}; ${UNITS.size.wants} would do`, ...sizeMeant(comparison, value) }
      : { term: { kind: 'size', comparison, bytes } };
  }
  const latest = /^\d{1,7}$/.test(value) ? Number(value) : 0;
  return latest >= 1 && latest <= MAX_LATEST
    ? { latest }
    : { message: `found ${quote(value)}; a whole number from 1 to ${MAX_LATEST} would do` };
}

function readTag(text: string): Reading {
  const at = text.indexOf('=');
  const key = text.slice('tag.'.length, at === -1 ? undefined : at);
  const pattern = at === -1 ? '' : text.slice(at + 1);
  if (key === '') return { message: 'the tag has no name', suggestion: sampleOf('tag.KEY') };
  if (pattern === '') {
    return { message: `tag.${key} needs a value; * is any`, suggestion: `tag.${key}=*` };
  }
  return { term: { kind: 'tag', key, pattern } };
}

function unknownKey(key: string, comparison: Comparison, value: string): Reading {
  const message = key === '' ? 'the key is missing' : `unknown key ${quote(key)}`;
  const words: readonly string[] = WORDS;
  if (words.includes(key)) return { message: `${key} takes no value`, suggestion: key };
  const near = nearest(key, [...KEYS, 'tag']);
  if (near === undefined || key === '') return { message: `${message}; ${EVERYTHING}` };
  return { message, suggestion: `${near === 'tag' ? 'tag.KEY' : near}${comparison}${value}` };
}

/** `2GB`, `2G` and `2 gib` are most likely `2GiB`. */
function sizeMeant(comparison: Comparison, value: string): { readonly suggestion?: string } {
  const meant = UNITS.size.meant(value);
  return meant === undefined ? {} : { suggestion: `size${comparison}${meant}` };
}

function sampleOf(key: string): string {
  const samples: Readonly<Record<string, string>> = {
    name: 'name=base-64*',
    version: 'version=24.4.*',
    os: 'os=smartos',
    type: 'type=zone-dataset',
    published: 'published>=2024-01-01',
    size: 'size<2GiB',
    latest: 'latest=2',
    'tag.KEY': 'tag.role=os',
  };
  return samples[key] ?? `${key}=NAME`;
}

function isTextKey(key: string): key is TextKey {
  return TEXT_KEYS.some((known) => known === key);
}

function isFactWord(word: string): word is FactWord {
  return FACT_WORDS.some((known) => known === word);
}
