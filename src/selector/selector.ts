/**
 * A selector: the one way to name a set of images, the same on the command line, in the API and in the configuration.
 * `parse.ts` makes one of a text, `print.ts` a text of one, `select.ts` finds its images.
 */
import type { PublishedAt } from '../imgapi/published-at.ts';

/** Keys whose value is a pattern: `*` stands for any characters, `?` for one, `\` takes what follows as it is. Case counts. */
export const TEXT_KEYS = ['name', 'version', 'os', 'type', 'upstream', 'channel'] as const;
export type TextKey = (typeof TEXT_KEYS)[number];

/** At least 8 characters of a uuid, all of its form, in lower case. */
export const UUID_START =
  /^[0-9a-f]{8}(?:-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-(?:[0-9a-f]{0,4}|[0-9a-f]{4}-[0-9a-f]{0,12}))))?$/;

/** Words that ask for a fact about an image. */
export const FACT_WORDS = ['cached', 'not-cached', 'pinned', 'conflict', 'unlisted'] as const;
export type FactWord = (typeof FACT_WORDS)[number];

/** Tells from how an image stands to the value (negative: less or earlier, 0: the same or within) whether that is right. */
const COMPARISON_HOLDS = {
  '>=': (order: number) => order >= 0,
  '<=': (order: number) => order <= 0,
  '=': (order: number) => order === 0,
  '<': (order: number) => order < 0,
  '>': (order: number) => order > 0,
} as const;
export type Comparison = keyof typeof COMPARISON_HOLDS;

/** As they are looked for in a text: the longer ones first. */
export const COMPARISONS: readonly Comparison[] = ['>=', '<=', '=', '<', '>'];

/** Whether an image that stands so to the value (see Array.sort) is selected. */
export function holds(comparison: Comparison, order: number): boolean {
  return COMPARISON_HOLDS[comparison](order);
}

/** A stretch of time: a year, a day, a second, ... as precisely as it was written. */
export interface Period {
  readonly text: string;
  readonly from: PublishedAt;
  /** The first moment after it. */
  readonly until: PublishedAt;
}

/** One condition an image has to meet. */
export type Term =
  /** A whole uuid, or the beginning of one image's alone: 8 characters at least, lower case. */
  | { readonly kind: 'uuid'; readonly prefix: string }
  | { readonly kind: 'text'; readonly key: TextKey; readonly pattern: string }
  /** `tag.KEY=PATTERN`; no pattern matches a value that is an object or a list. */
  | { readonly kind: 'tag'; readonly key: string; readonly pattern: string }
  | { readonly kind: 'published'; readonly comparison: Comparison; readonly period: Period }
  /** Bytes of all the image's files together. */
  | { readonly kind: 'size'; readonly comparison: Comparison; readonly bytes: number }
  | { readonly kind: 'fact'; readonly word: FactWord };

/** Images that meet all terms; of these the newest; and then what they rest on. */
export interface Selector {
  /** In the order written; none selects every image, which takes a `latest`. */
  readonly terms: readonly Term[];
  /** `latest=N`: of those that meet the terms, the N last published of each name. */
  readonly latest: number | undefined;
  /** `with-origins`: and their origins, the origins of these, and so on, whether they meet the terms or not. */
  readonly withOrigins: boolean;
}
