/** Whether one image meets one term. Facts that a manifest does not tell come in from outside. */
import { textOf } from '../imgapi/image-filter.ts';
import type { Manifest } from '../imgapi/manifest.ts';
import { createGlob } from './glob.ts';
import { orderTo } from './period.ts';
import { holds, type FactWord, type Term, type TextKey } from './selector.ts';

/** Whatever has a manifest can be selected. */
export interface Selectable {
  readonly manifest: Manifest;
}

/** What is known of an image beside its manifest. Asked only where a selector needs it, for every image then: keep them quick. */
export interface Facts<T extends Selectable> {
  /** All its files are stored. */
  readonly isCached: (image: T) => boolean;
  readonly isPinned: (image: T) => boolean;
  /** An upstream says something else of it than what is remembered. */
  readonly isContradicted: (image: T) => boolean;
  /** In a list that clients see. */
  readonly isListed: (image: T) => boolean;
  /** The names of the upstreams that have it. */
  readonly upstreamsOf: (image: T) => readonly string[];
  /** Empty where its upstream has no channels: such an image is in none, whatever the pattern. */
  readonly channelsOf: (image: T) => readonly string[];
}

/** A function that tells whether an image meets the term. `uuid` terms: whether its uuid begins so, alone or not. */
export function createMatcher<T extends Selectable>(term: Term, facts: Facts<T>): (image: T) => boolean {
  switch (term.kind) {
    case 'uuid':
      return ({ manifest }) => manifest.uuid.startsWith(term.prefix);
    case 'text': {
      const isOf = createGlob(term.pattern);
      return (image) => valuesOf(image, term.key, facts).some(isOf);
    }
    case 'tag': {
      const isOf = createGlob(term.pattern);
      const key = term.key.replaceAll(/\\(.)/gsu, '$1');
      return ({ manifest }) => tagOf(manifest, key).some(isOf);
    }
    case 'published':
      return ({ manifest }) => holds(term.comparison, orderTo(term.period, manifest.publishedAt));
    case 'size':
      return ({ manifest }) => holds(term.comparison, sizeOf(manifest) - term.bytes);
    case 'fact':
    default:
      return factMatcher(term.word, facts);
  }
}

/** An image's values under a key: none, one, or for upstreams and channels several. */
export function valuesOf<T extends Selectable>(image: T, key: TextKey, facts: Facts<T>): readonly string[] {
  if (key === 'upstream') return facts.upstreamsOf(image);
  if (key === 'channel') return facts.channelsOf(image);
  const text = textOf(image.manifest.json[key]);
  return text === undefined ? [] : [text];
}

/** The value of a tag, as a list of one or none. */
export function tagOf({ json }: Manifest, key: string): readonly string[] {
  const { tags } = json;
  if (typeof tags !== 'object' || tags === null || !Object.hasOwn(tags, key)) return [];
  const text = textOf(Object.entries(tags).find(([name]) => name === key)?.[1]);
  return text === undefined ? [] : [text];
}

/** Bytes of all files of an image together. */
export function sizeOf({ files }: Manifest): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

function factMatcher<T extends Selectable>(word: FactWord, facts: Facts<T>): (image: T) => boolean {
  switch (word) {
    case 'pinned':
      return facts.isPinned;
    case 'conflict':
      return facts.isContradicted;
    case 'unlisted':
      return (image) => !facts.isListed(image);
    case 'not-cached':
      return (image) => !facts.isCached(image);
    case 'cached':
    default:
      return facts.isCached;
  }
}
