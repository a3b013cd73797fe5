/** `list`: the images that are known, and how they stand here. */
import type { KnownImage } from '../catalog/known-images.ts';
import { textOf } from '../imgapi/image-filter.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { Facts } from '../selector/match.ts';
import { sizeOf } from '../selector/match.ts';
import type { Operation } from './operation.ts';
import type { Selection } from './selection.ts';

export interface ListInput {
  readonly selectors?: readonly string[];
  readonly limit?: number;
  readonly offset?: number;
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
  /** The images that an upstream contradicts now. */
  readonly conflicts: () => ReadonlySet<ImageUuid>;
}

export function createList({ selection, facts, conflicts }: ListDeps): Operation<ListInput, ListResult> {
  return {
    async run({ selectors = [], limit, offset = 0 }) {
      const { images, warnings } = await selection.all(selectors);
      const page = images.slice(offset, limit === undefined ? undefined : offset + limit);
      const contradicted = conflicts();
      return { images: page.map((image) => describeImage(image, facts, contradicted)), total: images.length, warnings };
    },
  };
}

export function describeImage(
  image: KnownImage,
  facts: Facts<KnownImage>,
  contradicted: ReadonlySet<ImageUuid>,
): ListedImage {
  const { manifest, upstreams, isListed } = image;
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
    listed: isListed,
    cached: facts.isCached(image),
    pinned: facts.isPinned(image),
    conflict: contradicted.has(manifest.uuid),
  };
}
