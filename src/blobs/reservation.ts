import { statfs as statfsOf } from 'node:fs/promises';
import { MirrorError } from '../imgapi/errors.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { storageError } from './errno.ts';

/** Room promised to one download. */
export interface Reservation {
  /**
   * Says that the first `bytes` of the file are written. From then on the disk itself counts them as used, so they are no
   * longer taken off the free space a second time. Optional: without it the keeper errs on the safe side. Never goes back.
   */
  consumed(bytes: number): void;
  /** Gives the room back; again is harmless. Call it after the commit, when `usedBytes` counts the blob, or after the discard. */
  release(): void;
}

/** Promises room on disk before the first byte of a download is written. */
export interface SpaceKeeper {
  /**
   * Takes room for `bytes`, if there is: used + reserved + bytes <= maxBytes, and free - (reserved - consumed) - bytes >=
   * minFreeBytes. Undefined means no room. Calls are answered one after the other, so two never take the same room.
   * @throws MirrorError InternalError if the free space cannot be asked.
   */
  reserve(bytes: number): Promise<Reservation | undefined>;
  limits(): { readonly maxBytes: number | null; readonly minFreeBytes: number };
  /** Promised and not released, whether consumed or not. */
  reservedBytes(): number;
  /** What the file system gives to ordinary users, in bytes, without regard to reservations. */
  free(): Promise<number>;
}

export interface SpaceKeeperDeps {
  /** Bytes of the blobs that are committed; those of running downloads are counted by their reservations. */
  readonly usedBytes: () => number;
  readonly statfs?: (dir: string) => Promise<{ readonly bavail: number; readonly bsize: number }>;
}

export interface SpaceKeeperOptions {
  /** Any directory on the cache's file system. */
  readonly dir: string;
  /** null: only `minFreeBytes` limits. */
  readonly maxBytes: number | null;
  readonly minFreeBytes: number;
}

export function createSpaceKeeper(deps: SpaceKeeperDeps, options: SpaceKeeperOptions): SpaceKeeper {
  const { dir, maxBytes, minFreeBytes } = options;
  const statfs = deps.statfs ?? statfsOf;
  const queue = createKeyedLock();
  let reserved = 0;
  let consumed = 0;

  const free = async (): Promise<number> => {
    try {
      const { bavail, bsize } = await statfs(dir);
      return bavail * bsize;
    } catch (error) {
      throw storageError('the free disk space could not be asked', error, { dir });
    }
  };

  const take = (bytes: number): Reservation => {
    reserved += bytes;
    let written = 0;
    let isHeld = true;
    return {
      consumed(upTo) {
        if (!isHeld) return;
        const more = Math.min(upTo, bytes) - written;
        if (more <= 0) return;
        written += more;
        consumed += more;
      },
      release() {
        if (!isHeld) return;
        isHeld = false;
        reserved -= bytes;
        consumed -= written;
      },
    };
  };

  return {
    async reserve(bytes) {
      if (!Number.isSafeInteger(bytes) || bytes < 0) {
        throw new MirrorError('InternalError', 'room can be reserved for whole bytes only', { details: { bytes } });
      }
      return queue.run('reserve', async () => {
        // Counted once at the start: bytes consumed while statfs is under way may be missing from its answer.
        const outstanding = reserved - consumed;
        const freeBytes = await free();
        if (maxBytes !== null && deps.usedBytes() + reserved + bytes > maxBytes) return undefined;
        return freeBytes - outstanding - bytes >= minFreeBytes ? take(bytes) : undefined;
      });
    },
    limits: () => ({ maxBytes, minFreeBytes }),
    reservedBytes: () => reserved,
    free,
  };
}
