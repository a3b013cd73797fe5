/** The store's side of keeping within the disk: what takes room, and removing it. What goes is decided elsewhere. */
import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { syncDir } from './durable-file.ts';
import { errnoOf, storageError } from './errno.ts';
import { bytesOnDisk, footprintOf } from './footprint.ts';
import { listLeftovers, removeLeftover, type Leftover } from './leftovers.ts';
import type { OpenCount } from './open-count.ts';
import { ignoreMissing } from './quarantine.ts';
import type { TalliedBlob } from './tally.ts';

export type { Leftover } from './leftovers.ts';

/** A stored blob that could be removed. */
export interface StoredBlob extends TalliedBlob {
  /** Bytes of the disk that its removal frees. */
  readonly footprint: number;
}

export interface Upkeep {
  /** Complete once the store is scanned. */
  blobs(): Iterable<StoredBlob>;
  has(sha1: Sha1Hex): boolean;
  /** True while any descriptor of the blob is open, so also while it is served. */
  isOpen(sha1: Sha1Hex): boolean;
  /**
   * Takes a blob out of the store: from then on it is a miss. One that is open stays.
   * @returns the bytes freed; 0 if it stays or was not there. @throws MirrorError InternalError
   */
  remove(sha1: Sha1Hex): Promise<number>;
  leftovers(): Promise<Leftover[]>;
  /** @returns the bytes freed; 0 if it is in use by now. @throws MirrorError InternalError */
  removeLeftover(leftover: Leftover): Promise<number>;
  /** @throws MirrorError InternalError if the disk cannot tell. */
  use(): Promise<StoreUse>;
}

export interface StoreUse {
  /**
   * What counts towards `cache.maxBytes`, running downloads left out: blobs with their sidecars and manifests, unfinished
   * downloads, quarantine, records.
   */
  readonly usedBytes: number;
  /** Those of them that lie in partial/ and quarantine/. */
  readonly leftovers: readonly Leftover[];
}

/** Without the unfinished download of `besides`, which is about to go on. */
export function usedWithout({ usedBytes, leftovers }: StoreUse, besides: Sha1Hex | undefined): number {
  return usedBytes - bytesOf(leftovers.filter(({ place, sha1 }) => place === 'partial' && sha1 === besides));
}

/** `dir` is the cache directory. */
export function createUpkeep(context: DiskContext, opens: OpenCount, dir: string): Upkeep {
  const { layout, lock, tally } = context;

  const remove = async (sha1: Sha1Hex): Promise<number> =>
    lock.run(sha1, async () => {
      if (opens.has(sha1)) return 0;
      try {
        const { size } = await stat(layout.blob(sha1));
        // The blob before its sidecar: a crash in between leaves a sidecar alone, which is a miss, and the next scan
        // removes it. The other way round would look like damage.
        await unlink(layout.blob(sha1));
        tally.forget(sha1);
        await syncDir(layout.shardDir(sha1));
        await unlink(layout.sidecar(sha1)).catch(ignoreMissing);
        return footprintOf(size);
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw storageError('a blob could not be evicted', error, { sha1 });
        tally.forget(sha1);
        return 0;
      }
    });

  return {
    *blobs() {
      for (const blob of tally.blobs()) yield { ...blob, footprint: footprintOf(blob.size) };
    },
    has: (sha1) => tally.has(sha1),
    isOpen: (sha1) => opens.has(sha1),
    remove,
    leftovers: async () => listLeftovers(context),
    removeLeftover: async (leftover) => removeLeftover(context, leftover),
    async use() {
      // Before and after: a blob that goes to quarantine meanwhile must not be missed in both places.
      const before = tally.footprint();
      const [atTop, leftovers] = await Promise.all([topLevelBytes(dir), listLeftovers(context, 'resting')]);
      return { usedBytes: atTop + bytesOf(leftovers) + Math.max(before, tally.footprint()), leftovers };
    },
  };
}

/**
 * For metrics; all NaN where the disk cannot tell: a scrape must not fail for it.
 * @param running downloads, which know what they have written without the disk
 */
export async function measureUse(
  upkeep: Upkeep,
  running: Iterable<{ readonly written: number }>,
): Promise<{
  /** Without what running downloads have written, for which room is reserved. */
  readonly usedBytes: number;
  readonly runningBytes: number;
  /** Of unfinished downloads, running or not. */
  readonly partialBytes: number;
  readonly quarantinedFiles: number;
  readonly quarantinedBytes: number;
}> {
  try {
    const { usedBytes, leftovers } = await upkeep.use();
    const runningBytes = [...running].reduce((sum, { written }) => sum + written, 0);
    const partials = leftovers.filter(({ place }) => place === 'partial');
    const quarantined = leftovers.filter(({ place }) => place === 'quarantine');
    return {
      usedBytes,
      runningBytes,
      partialBytes: bytesOf(partials) + runningBytes,
      quarantinedFiles: quarantined.length,
      quarantinedBytes: bytesOf(quarantined),
    };
  } catch {
    // The reservations say what is wrong in the log, as they ask the same.
    return { usedBytes: NaN, runningBytes: NaN, partialBytes: NaN, quarantinedFiles: NaN, quarantinedBytes: NaN };
  }
}

function bytesOf(some: readonly Leftover[]): number {
  return some.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The records and the few small files beside them. */
async function topLevelBytes(dir: string): Promise<number> {
  try {
    const files = (await readdir(dir, { withFileTypes: true })).filter((entry) => entry.isFile());
    // sqlite makes and removes files beside its own.
    const found = await Promise.all(files.map(async ({ name }) => stat(join(dir, name)).catch(ignoreMissing)));
    return found.reduce((sum, file) => sum + (file === undefined ? 0 : bytesOnDisk(file)), 0);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError('the cache could not be measured', error, { dir });
    return 0;
  }
}
