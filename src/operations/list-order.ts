/** The orders in which images can be listed. */
import type { KnownImage } from '../catalog/known-images.ts';
import { textOf } from '../imgapi/image-filter.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
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
  readonly contradicted: ReadonlySet<ImageUuid>;
  /** When it was last used, ms since the epoch; asked only where the order is by it. */
  readonly usedAtMs: (image: KnownImage) => Promise<number | undefined>;
}

/** Numbers within texts count as numbers: version 9 comes before 10. */
/** Made when first asked for: it costs every start some 10 ms else. */
let collator: Intl.Collator | undefined;

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
  const keyed = await Promise.all(
    images.toReversed().map(async (image) => ({ image, key: await keyOf(image, order, about) })),
  );
  return keyed.toSorted((a, b) => compareKeys(a.key, b.key, isTurned)).map(({ image }) => image);
}

type Key = string | number | undefined;

function keyOf(image: KnownImage, order: Exclude<ListOrder, 'published'>, about: OrderFacts): Key | Promise<Key> {
  switch (order) {
    case 'size':
      return sizeOf(image.manifest);
    case 'used':
      return about.usedAtMs(image);
    case 'cached':
      return Number(about.facts.isCached(image));
    case 'pinned':
      return Number(about.facts.isPinned(image));
    case 'conflict':
      return Number(about.contradicted.has(image.manifest.uuid));
    case 'name':
    case 'version':
    case 'os':
    case 'type':
    default:
      return textOf(image.manifest.json[order]) ?? '';
  }
}

function compareKeys(a: Key, b: Key, isTurned: boolean): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined);
  const difference = typeof a === 'string' && typeof b === 'string' ? compareTexts(a, b) : Number(a) - Number(b);
  return isTurned ? -difference : difference;
}

function compareTexts(a: string, b: string): number {
  collator ??= new Intl.Collator('en', { numeric: true });
  return collator.compare(a, b);
}
