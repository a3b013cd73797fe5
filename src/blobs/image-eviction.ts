/** Takes the images a person names out of the cache, in batches between which downloads get their room. */
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ImageBlobs } from './eviction-ranking.ts';
import { planImageEviction, type ImageEvictionFacts, type KeptImage } from './image-eviction-plan.ts';
import type { KeyedLock } from './keyed-lock.ts';
import type { Upkeep } from './upkeep.ts';

export interface EvictedImage {
  readonly uuid: ImageUuid;
  /** Bytes of the disk that it gave back; less than its size where other images have some of its files. */
  readonly bytes: number;
}

/** Images of which nothing is stored are in neither. */
export interface ImageEviction {
  /** In the order they went: a child before its origin. */
  readonly evicted: readonly EvictedImage[];
  readonly kept: readonly KeptImage[];
}

export interface EvictImagesOptions {
  /** Says what would go; nothing does. */
  readonly dryRun: boolean;
  /** Aborted: ends after the batch. */
  readonly signal: AbortSignal;
}

/** @throws MirrorError InternalError if it cannot be told which images there are */
export type ImageEvictor = (images: readonly ImageBlobs[], options: EvictImagesOptions) => Promise<ImageEviction>;

export interface ImageEvictionDeps extends Pick<ImageEvictionFacts, 'heldBy' | 'isPinned' | 'isRunning'> {
  readonly upkeep: Pick<Upkeep, 'blobs' | 'has' | 'isOpen'>;
  /** Held while anything is evicted. */
  readonly lock: KeyedLock;
  /** Removes blobs, as far as they are not in use by now, and the manifests of images that have none any more. @returns bytes freed */
  readonly remove: (sha1s: readonly Sha1Hex[]) => Promise<number>;
  /** All images that are kept. */
  readonly images: () => Promise<readonly ImageBlobs[]>;
}

/** Images that go under one hold of the lock. */
const BATCH = 8;

export function createImageEviction({ upkeep, lock, remove, images, ...facts }: ImageEvictionDeps): ImageEvictor {
  const planOf = async (selected: readonly ImageBlobs[]): Promise<ReturnType<typeof planImageEviction>> =>
    planImageEviction(selected, await images(), {
      heldBy: facts.heldBy,
      isPinned: facts.isPinned,
      isRunning: facts.isRunning,
      has: (sha1) => upkeep.has(sha1),
      isOpen: (sha1) => upkeep.isOpen(sha1),
    });

  const isWanted = (sha1: Sha1Hex): boolean => upkeep.isOpen(sha1) || facts.isRunning(sha1) || facts.isPinned(sha1);

  function footprintOf(sha1s: readonly Sha1Hex[]): number {
    const wanted = new Set(sha1s);
    let bytes = 0;
    for (const { sha1, footprint } of upkeep.blobs()) if (wanted.has(sha1)) bytes += footprint;
    return bytes;
  }

  return async (selected, { dryRun, signal }) => {
    if (dryRun) {
      const { going, kept } = await planOf(selected);
      return { evicted: going.map(({ uuid, blobs }) => ({ uuid, bytes: footprintOf(blobs) })), kept };
    }
    const evicted: EvictedImage[] = [];
    /** Put to use since they were chosen, or not to be deleted: they stay, and by the next plan what they rest on stays too. */
    const stuck: KeptImage[] = [];
    let left = selected;
    let kept: readonly KeptImage[] = [];
    while (left.length > 0 && !signal.aborted) {
      // Decided anew for each batch: in between, images are served and pinned.
      left = await lock.run('evict', async () => {
        const plan = await planOf(left);
        kept = plan.kept;
        const batch = plan.going.slice(0, BATCH);
        for (const { uuid, blobs } of batch) {
          const bytes = await remove(blobs);
          if (blobs.some((sha1) => upkeep.has(sha1))) {
            // Why it could not be deleted is in the log.
            stuck.push({ uuid, reason: blobs.some(isWanted) ? 'in-use' : 'not-removed', because: undefined });
            break;
          }
          evicted.push({ uuid, bytes });
        }
        const settled = new Set([...evicted, ...stuck].map(({ uuid }) => uuid));
        return batch.length === 0 ? [] : left.filter(({ uuid }) => !settled.has(uuid));
      });
    }
    return { evicted, kept: [...stuck, ...kept] };
  };
}
