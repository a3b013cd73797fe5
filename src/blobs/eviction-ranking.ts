/**
 * The order in which blobs are evicted. PURE: all facts come in from outside.
 */
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';

/** A blob that could be evicted. */
export interface RankedBlob {
  readonly sha1: Sha1Hex;
  /** When it was last used, or where it never was, when it arrived; ms since the epoch. */
  readonly usedAtMs: number;
  /** It is pinned, open or running. */
  readonly isProtected: boolean;
}

/** The blobs of one cached image. */
export interface ImageBlobs {
  readonly uuid: ImageUuid;
  readonly origin: ImageUuid | undefined;
  readonly files: readonly Sha1Hex[];
  readonly icon: Sha1Hex | undefined;
}

/**
 * Yields every blob that may go, first the one to go first: the least recently used of those that nothing left rests on.
 * An image's files rest on those of its origin, and so come before them; its icon goes after its files. What a protected
 * blob rests on, directly or not, is never yielded. Ties are broken by sha1, so that the order is total.
 *
 * Manifests are others' words and may contradict each other: of blobs that rest on one another in a circle the least
 * recently used goes first.
 */
export function* rankBlobs<T extends RankedBlob>(blobs: readonly T[], images: readonly ImageBlobs[]): Generator<T> {
  const left = new Map<Sha1Hex, T>(blobs.map((blob) => [blob.sha1, blob]));
  const supports = supportsOf(left, images);
  for (const sha1 of withSupports(blobs, supports)) left.delete(sha1);
  // How many blobs that are left rest on each.
  const loads = new Map<Sha1Hex, number>();
  for (const sha1 of left.keys()) {
    for (const support of supports.get(sha1) ?? []) loads.set(support, (loads.get(support) ?? 0) + 1);
  }
  const inOrder = [...left.values()].toSorted(compareUse);
  while (left.size > 0) {
    // Linear in what is left at each step, but a step is taken only for a blob that is really evicted.
    const next =
      inOrder.find(({ sha1 }) => left.has(sha1) && (loads.get(sha1) ?? 0) === 0) ??
      inOrder.find(({ sha1 }) => left.has(sha1));
    if (next === undefined) return;
    left.delete(next.sha1);
    for (const support of supports.get(next.sha1) ?? []) loads.set(support, (loads.get(support) ?? 0) - 1);
    yield next;
  }
}

function compareUse(a: RankedBlob, b: RankedBlob): number {
  if (a.usedAtMs !== b.usedAtMs) return a.usedAtMs - b.usedAtMs;
  return a.sha1 < b.sha1 ? -1 : 1;
}

/** For each blob the ones it rests on. */
function supportsOf(
  left: ReadonlyMap<Sha1Hex, unknown>,
  images: readonly ImageBlobs[],
): ReadonlyMap<Sha1Hex, ReadonlySet<Sha1Hex>> {
  const byUuid = new Map(images.map((image) => [image.uuid, image]));
  const supports = new Map<Sha1Hex, Set<Sha1Hex>>();
  for (const image of images) {
    const below = [...cachedFilesBelow(image, byUuid, left), ...(image.icon === undefined ? [] : [image.icon])];
    for (const sha1 of image.files) {
      if (!left.has(sha1)) continue;
      const own = supports.get(sha1) ?? new Set<Sha1Hex>();
      // One sha1 may be in both images.
      for (const support of below) if (support !== sha1 && left.has(support)) own.add(support);
      supports.set(sha1, own);
    }
  }
  return supports;
}

/** The files of the nearest ancestor that has any here: one that is gone must not cut a child off from what is beyond it. */
function cachedFilesBelow(
  image: ImageBlobs,
  byUuid: ReadonlyMap<ImageUuid, ImageBlobs>,
  left: ReadonlyMap<Sha1Hex, unknown>,
): readonly Sha1Hex[] {
  const seen = new Set<ImageUuid>([image.uuid]);
  let { origin } = image;
  while (origin !== undefined && !seen.has(origin)) {
    seen.add(origin);
    const ancestor = byUuid.get(origin);
    const files = ancestor?.files.filter((sha1) => left.has(sha1)) ?? [];
    if (files.length > 0) return files;
    origin = ancestor?.origin;
  }
  return [];
}

/** The protected blobs and all they rest on. */
function withSupports(
  blobs: readonly RankedBlob[],
  supports: ReadonlyMap<Sha1Hex, ReadonlySet<Sha1Hex>>,
): ReadonlySet<Sha1Hex> {
  const found = new Set(blobs.filter(({ isProtected }) => isProtected).map(({ sha1 }) => sha1));
  // A Set is walked to its end, what is added on the way included.
  for (const sha1 of found) for (const support of supports.get(sha1) ?? []) found.add(support);
  return found;
}
