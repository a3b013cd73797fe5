/** The orders in which images can be listed. */
import type { KnownImage } from '../catalog/known-images.ts';
import { textOf } from '../imgapi/image-filter.ts';
import type { Facts } from '../selector/match.ts';
import { sizeOf } from '../selector/match.ts';

/** By what; a `-` before it turns the order round. */
export const LIST_ORDERS = [
  'name',
  'version',
  'os',
  'type',
  'published',
  'size',
  'used',
  'cached',
  'pinned',
  'conflict',
] as const;
export type ListOrder = (typeof LIST_ORDERS)[number];

/** What `sort` may be. */
export const SORT_PATTERN = new RegExp(`^-?(?:${LIST_ORDERS.join('|')})$`);

/** What an order asks of an image beside its manifest. */
export interface OrderFacts {
  readonly facts: Facts<KnownImage>;
  /** When it was last used, ms since the epoch; asked only where the order is by it, and of cached images. */
  readonly usedAtMs: (image: KnownImage) => Promise<number | undefined>;
}

/** Numbers within texts count as numbers: version 9 comes before 10. */
const COLLATOR = new Intl.Collator('en', { numeric: true });

/**
 * Images that come sorted by (published_at, uuid), in another order. Images that are equal by it: the newest first. What has no value
 * (never used) is last either way.
 * @param sort as `SORT_PATTERN`
 */
export async function inOrder(
  images: readonly KnownImage[],
  sort: string,
  about: OrderFacts,
): Promise<readonly KnownImage[]> {
  const isTurned = sort.startsWith('-');
  const order = LIST_ORDERS.find((known) => known === sort.replace(/^-/, ''));
  if (order === undefined || order === 'published') return isTurned ? images.toReversed() : images;
  const newestFirst = images.toReversed();
  const keys = order === 'used' ? await usesOf(newestFirst, about) : keysOf(newestFirst, order, about);
  const at = newestFirst.map((_, index) => index);
  return at.toSorted((a, b) => compareKeys(keys[a], keys[b], isTurned)).flatMap((index) => newestFirst[index] ?? []);
}

async function usesOf(images: readonly KnownImage[], about: OrderFacts): Promise<readonly (number | undefined)[]> {
  const { facts, usedAtMs } = about;
  const uses = new Map<KnownImage, number | undefined>();
  // Few of thousands are cached: a promise for each of the others would cost more than the answers.
  await Promise.all(images.filter(facts.isCached).map(async (image) => uses.set(image, await usedAtMs(image))));
  return images.map((image) => uses.get(image));
}

function keysOf(
  images: readonly KnownImage[],
  order: Exclude<ListOrder, 'published' | 'used'>,
  { facts }: OrderFacts,
): readonly number[] {
  switch (order) {
    case 'size':
      return images.map(({ manifest }) => sizeOf(manifest));
    case 'cached':
      return images.map((image) => Number(facts.isCached(image)));
    case 'pinned':
      return images.map((image) => Number(facts.isPinned(image)));
    case 'conflict':
      return images.map((image) => Number(facts.isContradicted(image)));
    case 'name':
    case 'version':
    case 'os':
    case 'type':
    default:
      return ranksOf(images.map(({ manifest }) => textOf(manifest.json[order]) ?? ''));
  }
}

/** The place of each text among all: thousands of images share some hundred names, and comparing texts is dear. */
function ranksOf(texts: readonly string[]): readonly number[] {
  const sorted = [...new Set(texts)].toSorted((a, b) => COLLATOR.compare(a, b));
  const ranks = new Map(sorted.map((text, rank) => [text, rank]));
  return texts.map((text) => ranks.get(text) ?? 0);
}

function compareKeys(a: number | undefined, b: number | undefined, isTurned: boolean): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  return isTurned ? b - a : a - b;
}
