/** What a prefetch has to fetch, and in which order. PURE: images and what is stored come in from outside. */
import type { KnownImage } from '../catalog/known-images.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ImageFile } from '../imgapi/manifest.ts';

/** A file that is to be fetched. */
export interface PlannedFile extends ImageFile {
  /** Its place in the image's `files`. */
  readonly index: number;
}

export interface PlannedImage {
  readonly image: KnownImage;
  /** Those that are not stored; none where all are. A file that two images share is fetched with the first. */
  readonly files: readonly PlannedFile[];
  /** True if a file that is not stored is fetched with an earlier image. */
  readonly waitsForShared: boolean;
}

export interface PrefetchPlan {
  /** Every image once, each behind its origin, as far as that is among them; else in the order given. */
  readonly images: readonly PlannedImage[];
  /** What is to be fetched. */
  readonly missing: PlanCount;
  /** What is there already. */
  readonly present: PlanCount;
}

/** Files of the same SHA-1 count once. */
export interface PlanCount {
  /** Images of which a file is to be fetched; of what is there, images of which none is. */
  readonly images: number;
  readonly files: number;
  readonly bytes: number;
}

export function planPrefetch(images: Iterable<KnownImage>, isStored: (file: ImageFile) => boolean): PrefetchPlan {
  const planned: PlannedImage[] = [];
  const missing = new Map<Sha1Hex, number>();
  const present = new Map<Sha1Hex, number>();
  for (const image of originsFirst(images)) {
    const files: PlannedFile[] = [];
    let waitsForShared = false;
    for (const [index, { sha1, size }] of image.manifest.files.entries()) {
      if (missing.has(sha1)) {
        waitsForShared ||= !files.some((file) => file.sha1 === sha1);
      } else if (size === 0 || isStored({ sha1, size })) {
        // A file of no bytes is never stored, and never missing.
        present.set(sha1, size);
      } else {
        missing.set(sha1, size);
        files.push({ sha1, size, index });
      }
    }
    planned.push({ image, files, waitsForShared });
  }
  const isMissing = ({ files, waitsForShared }: PlannedImage): boolean => files.length > 0 || waitsForShared;
  const missingImages = planned.filter(isMissing).length;
  return {
    images: planned,
    missing: { images: missingImages, ...countOf(missing) },
    present: { images: planned.length - missingImages, ...countOf(present) },
  };
}

function countOf(sizes: ReadonlyMap<Sha1Hex, number>): { readonly files: number; readonly bytes: number } {
  return { files: sizes.size, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0) };
}

/** Each image once, behind its origin. Manifests are others' words: a circle of origins is broken where it is entered. */
function* originsFirst(images: Iterable<KnownImage>): Generator<KnownImage> {
  const byUuid = new Map<ImageUuid, KnownImage>();
  for (const image of images) if (!byUuid.has(image.manifest.uuid)) byUuid.set(image.manifest.uuid, image);
  const taken = new Set<ImageUuid>();
  for (const image of byUuid.values()) {
    const chain: KnownImage[] = [];
    let next: KnownImage | undefined = image;
    while (next !== undefined && !taken.has(next.manifest.uuid)) {
      taken.add(next.manifest.uuid);
      chain.push(next);
      next = next.manifest.origin === undefined ? undefined : byUuid.get(next.manifest.origin);
    }
    yield* chain.toReversed();
  }
}
