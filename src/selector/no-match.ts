/** Why a selector selects nothing: what was understood, term by term, and what comes near. */
import { nearest } from '../config/nearest.ts';
import { escape, quote } from '../config/problem.ts';
import { counted, formatSize } from '../config/units.ts';
import { textOf } from '../imgapi/image-filter.ts';
import { comparePublishedAt } from '../imgapi/published-at.ts';
import { literalPart } from './glob.ts';
import { createMatcher, sizeOf, tagOf, valuesOf, type Facts, type Selectable } from './match.ts';
import { printSelector, printTerm } from './print.ts';
import type { Selector, Term } from './selector.ts';

export interface NoMatch {
  /** The selector as understood. */
  readonly selector: string;
  /** Images it was looked for among. */
  readonly known: number;
  /** How many images each term alone matches, in their order. */
  readonly terms: readonly { readonly term: string; readonly images: number }[];
  /** What comes near, each a phrase without line breaks or control characters. */
  readonly hints: readonly string[];
}

/** Most values that a hint names. */
const MAX_NAMED = 5;
/** Most values that are compared: on a mistake a second may pass, not a minute. */
const MAX_COMPARED = 20_000;

/** Says why no image meets all the terms. */
export function explainNoMatch<T extends Selectable>(
  selector: Selector,
  images: readonly T[],
  facts: Facts<T>,
): NoMatch {
  const matchers = selector.terms.map((term) => ({ term, matches: createMatcher(term, facts) }));
  const alone = matchers.map(({ term, matches }) => ({ term, images: images.filter(matches).length }));
  const hints: string[] = [];
  for (const one of alone) {
    if (one.term.kind === 'uuid' && one.images > 1) hints.push(ambiguous(one.term.prefix, images));
    if (one.images === 0) hints.push(...nearMisses(one.term, images, facts));
  }
  if (hints.length === 0 && matchers.length > 1) {
    for (const { term } of matchers) {
      const others = matchers.filter((one) => one.term !== term);
      const left = images.filter((image) => others.every(({ matches }) => matches(image))).length;
      if (left > 0) hints.push(`without ${escape(printTerm(term))} it would select ${counted(left, 'image')}`);
    }
  }
  return {
    selector: printSelector(selector),
    known: images.length,
    terms: alone.map((one) => ({ term: printTerm(one.term), images: one.images })),
    hints,
  };
}

/** One line: `"name=bsae os=linux" selects no image of 512: name=bsae alone matches none, os=linux 40; near it: name=base`. */
export function formatNoMatch({ selector, known, terms, hints }: NoMatch): string {
  if (known === 0) return `${quote(selector)} selects no image: none is known`;
  const alone = terms.map(({ term, images }, at) => {
    return `${escape(term)}${at === 0 ? ' alone matches' : ''} ${images === 0 ? 'none' : images}`;
  });
  // A single term matches alone what the selector does.
  const understood = alone.length < 2 ? '' : `: ${alone.join(', ')}`;
  return `${quote(selector)} selects no image of ${known}${understood}${hints.map((hint) => `; ${hint}`).join('')}`;
}

function nearMisses<T extends Selectable>(term: Term, images: readonly T[], facts: Facts<T>): readonly string[] {
  switch (term.kind) {
    case 'uuid': {
      const near = nearest(
        term.prefix,
        images.slice(0, MAX_COMPARED).map(({ manifest }) => manifest.uuid),
      );
      return near === undefined ? [] : [`the nearest uuid is ${near}`];
    }
    case 'text':
      return nearValues(
        term.key,
        term.pattern,
        images.flatMap((image) => valuesOf(image, term.key, facts)),
      );
    case 'tag':
      return nearTags(term.key, term.pattern, images);
    case 'published': {
      const inOrder = images.toSorted(byDate);
      const [first, last] = [inOrder[0], inOrder.at(-1)];
      if (first === undefined || last === undefined) return [];
      return [`they were published from ${dateOf(first)} to ${dateOf(last)}`];
    }
    case 'size': {
      const sizes = images.map(({ manifest }) => sizeOf(manifest)).toSorted((a, b) => a - b);
      return [`they are of ${formatSize(sizes[0] ?? 0)} to ${formatSize(sizes.at(-1) ?? 0)}`];
    }
    case 'fact':
    default:
      return [];
  }
}

/** The values nearest to a pattern: those that hold its own characters, else those that are spelled alike, else all if they are few. */
function nearValues(key: string, pattern: string, found: readonly string[]): readonly string[] {
  const values = [...new Set(found)].toSorted().slice(0, MAX_COMPARED);
  if (values.length === 0) return [`no image has a ${key}`];
  const literal = literalPart(pattern);
  const holding = values.filter((value) => literal !== '' && value.toLowerCase().includes(literal.toLowerCase()));
  const near = holding.length > 0 ? holding : spelledAlike(literal, values);
  if (near.length > 0) return [`near it: ${named(near.map((value) => `${key}=${value}`))}`];
  return values.length <= MAX_NAMED ? [`known: ${named(values.map((value) => `${key}=${value}`))}`] : [];
}

function nearTags(key: string, pattern: string, images: readonly Selectable[]): readonly string[] {
  const values = images.flatMap(({ manifest }) => tagOf(manifest, key));
  if (values.length > 0) return nearValues(`tag.${key}`, pattern, values);
  const keys = new Set(images.flatMap(({ manifest: { json } }) => Object.keys(json['tags'] ?? {})));
  const near = nearest(key, keys);
  return [`no image has a tag ${quote(key)}${near === undefined ? '' : `; the nearest tag is ${escape(near)}`}`];
}

/** Up to three, the nearest first. */
function spelledAlike(word: string, values: readonly string[]): readonly string[] {
  const left = new Set(values);
  const near: string[] = [];
  while (near.length < 3) {
    const next = nearest(word, left);
    if (next === undefined) break;
    near.push(next);
    left.delete(next);
  }
  return near;
}

function ambiguous(prefix: string, images: readonly Selectable[]): string {
  const fitting = images.filter(({ manifest }) => manifest.uuid.startsWith(prefix));
  const shown = fitting.map(({ manifest: { uuid, json } }) => `${uuid} (${textOf(json['name']) ?? '-'})`);
  return `${fitting.length} uuids begin with ${prefix}: ${named(shown)}`;
}

function named(values: readonly string[]): string {
  const shown = values.slice(0, MAX_NAMED).map((value) => escape(value.slice(0, 100)));
  const more = values.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function byDate(a: Selectable, b: Selectable): number {
  return comparePublishedAt(a.manifest.publishedAt, b.manifest.publishedAt);
}

function dateOf({ manifest }: Selectable): string {
  return new Date(manifest.publishedAt.epochMs).toISOString().slice(0, 10);
}
