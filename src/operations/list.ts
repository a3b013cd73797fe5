/** `list`: the images that are known, and how they stand here. */
import type { KnownImage } from '../catalog/known-images.ts';
import { textOf } from '../imgapi/image-filter.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Facts } from '../selector/match.ts';
import { sizeOf } from '../selector/match.ts';
import { inOrder } from './list-order.ts';
import type { Operation } from './operation.ts';
import type { Selection } from './selection.ts';

export interface ListInput {
  readonly selectors?: readonly string[];
  readonly limit?: number;
  readonly offset?: number;
  /** As `SORT_PATTERN`. Default: `published`. */
  readonly sort?: string;
}

/** One image in a line. Texts are as their upstream wrote them: escape them where they are shown. */
export interface ListedImage {
  readonly uuid: ImageUuid;
  readonly name: string;
  readonly version: string;
  readonly os: string;
  readonly type: string;
  /** As the manifest says it. */
  readonly publishedAt: string;
  /** Bytes of all its files. */
  readonly size: number;
  readonly origin: ImageUuid | null;
  readonly upstreams: readonly string[];
  /** In a list that clients see. */
  readonly listed: boolean;
  readonly cached: boolean;
  readonly pinned: boolean;
  /** An upstream says something else of it than what is remembered. */
  readonly conflict: boolean;
  /** ISO 8601: when a file of it was last used; null if it is not cached, or nobody remembers. */
  readonly lastUsedAt: string | null;
}

export interface ListResult {
  readonly images: readonly ListedImage[];
  /** How many were selected, whatever `limit` and `offset` left of them. */
  readonly total: number;
  readonly warnings: readonly string[];
}

export interface ListDeps {
  readonly selection: Selection;
  readonly facts: Facts<KnownImage>;
  /** ms since the epoch. */
  readonly lastUse: (sha1: Sha1Hex) => Promise<number | undefined>;
}

export function createList(deps: ListDeps): Operation<ListInput, ListResult> {
  const { selection, facts } = deps;
  const usedAtMs = async (image: KnownImage): Promise<number | undefined> =>
    facts.isCached(image) ? lastUseOf(image, deps.lastUse) : undefined;
  return {
    async run({ selectors = [], limit, offset = 0, sort = 'published' }) {
      const { images, warnings } = await selection.all(selectors);
      const sorted = await inOrder(images, sort, { facts, usedAtMs });
      const page = sorted.slice(offset, limit === undefined ? undefined : offset + limit);
      const described = page.map(async (image) => describeImage(image, facts, await usedAtMs(image)));
      return { images: await Promise.all(described), total: images.length, warnings };
    },
  };
}

export function describeImage(image: KnownImage, facts: Facts<KnownImage>, usedAtMs: number | undefined): ListedImage {
  const { manifest, upstreams } = image;
  const { json } = manifest;
  return {
    uuid: manifest.uuid,
    name: textOf(json['name']) ?? '',
    version: textOf(json['version']) ?? '',
    os: textOf(json['os']) ?? '',
    type: textOf(json['type']) ?? '',
    publishedAt: textOf(json['published_at']) ?? '',
    size: sizeOf(manifest),
    origin: manifest.origin ?? null,
    upstreams,
    listed: facts.isListed(image),
    cached: facts.isCached(image),
    pinned: facts.isPinned(image),
    conflict: facts.isContradicted(image),
    lastUsedAt: usedAtMs === undefined ? null : new Date(usedAtMs).toISOString(),
  };
}

/** The last use of any of its files, ms since the epoch. */
export async function lastUseOf(
  { manifest: { files } }: KnownImage,
  lastUse: ListDeps['lastUse'],
): Promise<number | undefined> {
  const uses = await Promise.all(files.map(async ({ sha1 }) => lastUse(sha1)));
  const known = uses.filter((atMs) => atMs !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}
