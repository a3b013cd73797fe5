import { statfs as statfsOf } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
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
   * Takes room for a file of `bytes`, if there is: used + reserved + bytes <= maxBytes, and free - (reserved - consumed) -
   * bytes >= minFreeBytes. Where there is none, room is made if possible. Undefined means no room. Calls are answered one
   * after the other, so two never take the same room. `sha1` names the blob: what an unfinished download of it has left is
   * not counted against it.
   * @throws MirrorError InternalError if the free space cannot be asked.
   */
  reserve(bytes: number, sha1?: Sha1Hex): Promise<Reservation | undefined>;
  limits(): { readonly maxBytes: number | null; readonly minFreeBytes: number };
  /** Promised and not released, whether consumed or not. */
  reservedBytes(): number;
  /** What the file system gives to ordinary users, in bytes, without regard to reservations. */
  free(): Promise<number>;
}

/** A space keeper whose room is kept up by somebody. */
export interface MeasuredSpace extends SpaceKeeper {
  /** What is left now, and of how much. @throws as `reserve` */
  room(): Promise<Room>;
}

export interface Room {
  /** What could still be reserved; below 0 where a limit is crossed already. */
  readonly roomBytes: number;
  /** The most the cache could hold within the limits, its contents and what is promised included; never below 0. */
  readonly capacityBytes: number;
}

export interface SpaceKeeperDeps {
  /** What counts towards `maxBytes`, without the running downloads, which are counted by their reservations. */
  readonly usedBytes: (besides: Sha1Hex | undefined) => number | Promise<number>;
  /** What a file of so many bytes will count once it is stored. Default: just that. */
  readonly footprintOf?: (bytes: number) => number;
  /** Frees so many bytes, not from the unfinished download of `besides`; false if that cannot be done. Never rejects. */
  readonly makeRoom?: (bytes: number, besides: Sha1Hex | undefined) => Promise<boolean>;
  readonly statfs?: (dir: string) => Promise<{ readonly bavail: number; readonly bsize: number }>;
}

export interface SpaceKeeperOptions {
  /** Any directory on the cache's file system. */
  readonly dir: string;
  /** null: only `minFreeBytes` limits. */
  readonly maxBytes: number | null;
  readonly minFreeBytes: number;
  /** How long to wait for room that was made to be seen as free. Default: 6 s, as ZFS frees with its next transaction group. */
  readonly settleMs?: number;
}

/** How often it is looked whether freed room is seen. */
const LOOK_EVERY_MS = 200;

export function createSpaceKeeper(deps: SpaceKeeperDeps, options: SpaceKeeperOptions): MeasuredSpace {
  const { dir, maxBytes, minFreeBytes } = options;
  const statfs = deps.statfs ?? statfsOf;
  const footprintOf = deps.footprintOf ?? ((bytes) => bytes);
  const settleMs = options.settleMs ?? 6_000;
  const queue = createKeyedLock();
  let reserved = 0;
  let reservedFootprint = 0;
  let consumed = 0;

  const free = async (): Promise<number> => {
    try {
      const { bavail, bsize } = await statfs(dir);
      return bavail * bsize;
    } catch (error) {
      throw storageError('the free disk space could not be asked', error, { dir });
    }
  };

  const measure = async (besides: Sha1Hex | undefined, isUseWanted: boolean): Promise<Room> => {
    // Taken once, first: what is written or released while the disk is asked then counts twice rather than not at all.
    const outstanding = reserved - consumed;
    const promised = reservedFootprint;
    const left = (await free()) - outstanding - minFreeBytes;
    const used = promised + (isUseWanted ? await deps.usedBytes(besides) : 0);
    const roomBytes = maxBytes === null ? left : Math.min(left, maxBytes - used);
    return { roomBytes, capacityBytes: Math.max(0, used + roomBytes) };
  };

  const take = (bytes: number): Reservation => {
    reserved += bytes;
    reservedFootprint += footprintOf(bytes);
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
        reservedFootprint -= footprintOf(bytes);
        consumed -= written;
      },
    };
  };

  return {
    async reserve(bytes, sha1) {
      if (!Number.isSafeInteger(bytes) || bytes < 0) {
        throw new MirrorError('InternalError', 'room can be reserved for whole bytes only', { details: { bytes } });
      }
      return queue.run('reserve', async () => {
        const wanted = footprintOf(bytes);
        let { roomBytes } = await measure(sha1, maxBytes !== null);
        if (roomBytes < wanted && deps.makeRoom !== undefined) {
          if (!(await deps.makeRoom(wanted - roomBytes, sha1))) return undefined;
          ({ roomBytes } = await measure(sha1, maxBytes !== null));
          for (let waited = 0; roomBytes < wanted && waited < settleMs; waited += LOOK_EVERY_MS) {
            await sleep(LOOK_EVERY_MS);
            ({ roomBytes } = await measure(sha1, maxBytes !== null));
          }
        }
        return roomBytes >= wanted ? take(bytes) : undefined;
      });
    },
    room: async () => measure(undefined, true),
    limits: () => ({ maxBytes, minFreeBytes }),
    reservedBytes: () => reserved,
    free,
  };
}
