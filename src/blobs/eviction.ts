/**
 * Keeps the cache within its limits: makes room when a download needs it, ahead of that in the background, and lets
 * unfinished and quarantined files age out. What goes first is decided by facts from outside.
 *
 * In the background it begins when less than 5 % of what the cache may hold is left (10 GiB at most), and ends when
 * 10 % is (20 GiB at most).
 */
import type { Log } from '../config/log.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { chooseVictims, type Victim } from './eviction-plan.ts';
import { rankBlobs, type ImageBlobs } from './eviction-ranking.ts';
import { createImageEviction, type ImageEvictor } from './image-eviction.ts';
import { createKeyedLock } from './keyed-lock.ts';
import type { Room } from './reservation.ts';
import type { Leftover, Upkeep } from './upkeep.ts';

/**
 * Why something was removed. `demand`: a download needed the room; `ahead`: so that the next one need not wait; `age`: it
 * was an unfinished or quarantined file of long ago; `surplus`: there were too many quarantined ones; `operator`: a person
 * said so.
 */
export const EVICTION_REASONS = ['demand', 'ahead', 'age', 'surplus', 'operator'] as const;
export type EvictionReason = (typeof EVICTION_REASONS)[number];

export interface Eviction {
  /**
   * Frees at least `bytes`, or removes nothing at all if that much cannot go. Never takes the unfinished download of
   * `besides`. @returns whether it did. Never rejects.
   */
  makeRoom(bytes: number, besides?: Sha1Hex): Promise<boolean>;
  /**
   * What would go to free at least `bytes`, of Infinity all that may; undefined if that much cannot go. Removes nothing.
   * @throws MirrorError InternalError if it cannot be told
   */
  preview(bytes: number): Promise<{ readonly blobs: number; readonly bytes: number } | undefined>;
  readonly evictImages: ImageEvictor;
  /** Begins to age and to look ahead: now and every minute. Call it once the store is scanned. */
  start(): void;
  /** Something has been stored or left over: looks within a second whether room is short. */
  nudge(): void;
  /** When the background run last ended well, ms since the epoch; undefined if it never did. */
  readonly lastRunAtMs: number | undefined;
  /** Resolves when nothing is being removed any more. */
  close(): Promise<void>;
}

export interface EvictionDeps {
  readonly upkeep: Upkeep;
  /** See SpaceKeeper.room. */
  readonly room: () => Promise<Room>;
  /** When a blob was last used, ms since the epoch; undefined if never. */
  readonly lastUse: (sha1: Sha1Hex) => Promise<number | undefined>;
  /** It is a file or an icon of an image that a pin holds. */
  readonly isPinned: (sha1: Sha1Hex) => boolean;
  /** The pinned image that holds this one: itself, or one that rests on it. */
  readonly heldBy: (uuid: ImageUuid) => ImageUuid | undefined;
  /** A download of it is running. */
  readonly isRunning: (sha1: Sha1Hex) => boolean;
  /** The images that are kept because of their blobs. */
  readonly images: () => Promise<readonly ImageBlobs[]>;
  /** None of the image's files is stored any more. It asks `isUnwanted` once more, as late as it can. */
  readonly forgetImage: (uuid: ImageUuid, isUnwanted: () => boolean) => Promise<void>;
  readonly onEvicted: (reason: EvictionReason, bytes: number) => void;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
}

export interface EvictionOptions {
  readonly keepPartialsMs: number;
  readonly keepQuarantinedMs: number;
  /** Most quarantined files that are kept. Default 100. */
  readonly maxQuarantined?: number;
  /** Default: a minute. */
  readonly everyMs?: number;
  /** How long after a nudge it looks; more of them in the meantime change nothing. Default: a second. */
  readonly nudgeMs?: number;
  /** How long to wait for the file system to show freed room. Default: 6 s. */
  readonly settleMs?: number;
}

const GIB = 1024 ** 3;
/** Removed under one hold of the lock, so that a download that needs room does not wait for a whole background run. */
const BATCH = 8;
/** Last-use times are asked of a store that may be slow: past this, the rest counts by its arrival. */
const LAST_USE_BUDGET_MS = 2_000;
const LOOK_EVERY_MS = 200;

export function createEviction(deps: EvictionDeps, options: EvictionOptions): Eviction {
  const { upkeep, log } = deps;
  const maxQuarantined = options.maxQuarantined ?? 100;
  const settleMs = options.settleMs ?? 6_000;
  const lock = createKeyedLock();
  const stopping = new AbortController();
  /** What could not be removed lately: it must not be chosen again and again in place of what can. */
  const stuck = new Set<Sha1Hex>();
  let timer: NodeJS.Timeout | undefined;
  let nudged: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let lastRunAtMs: number | undefined;

  /** What goes to free `bytes`, first the first to go; undefined if that much cannot go. */
  async function plan(bytes: number, besides: Sha1Hex | undefined): Promise<readonly Victim[] | undefined> {
    const leftovers = await upkeep.leftovers();
    const images = await deps.images();
    const blobs = [];
    const lookUntilMs = deps.now() + LAST_USE_BUDGET_MS;
    for (const { sha1, arrivedAtMs, footprint } of upkeep.blobs()) {
      const lastUseMs = deps.now() < lookUntilMs ? await deps.lastUse(sha1) : undefined;
      const isProtected = stuck.has(sha1) || deps.isPinned(sha1) || upkeep.isOpen(sha1) || deps.isRunning(sha1);
      // The later of the two: a blob that has come back since it was last used has just arrived.
      blobs.push({ sha1, footprint, isProtected, usedAtMs: Math.max(lastUseMs ?? 0, arrivedAtMs) });
    }
    const removable = leftovers.filter(
      ({ place, sha1, isOpen }) =>
        !stuck.has(sha1) && (place === 'quarantine' || (!isOpen && sha1 !== besides && !deps.isRunning(sha1))),
    );
    return chooseVictims(removable, rankBlobs(blobs, images), bytes);
  }

  async function remove(victims: readonly Victim[], reason: EvictionReason): Promise<number> {
    let freed = 0;
    const blobs: Sha1Hex[] = [];
    for (const victim of victims) {
      const { sha1 } = victim;
      try {
        // Served, pinned or begun since it was chosen.
        if (victim.kind === 'blob' && (deps.isPinned(sha1) || deps.isRunning(sha1))) continue;
        const bytes = victim.kind === 'blob' ? await upkeep.remove(sha1) : await upkeep.removeLeftover(victim.leftover);
        if (bytes === 0) continue;
        freed += bytes;
        if (victim.kind === 'blob') blobs.push(sha1);
        deps.onEvicted(reason, bytes);
        log.info({ sha1, bytes, reason, kind: victim.kind }, 'evicted');
      } catch (error) {
        // The others may go all the same.
        stuck.add(sha1);
        log.error({ err: error, sha1, reason, kind: victim.kind }, 'could not be evicted');
      }
    }
    if (blobs.length > 0) await forgetImagesOf(blobs);
    return freed;
  }

  async function forgetImagesOf(blobs: readonly Sha1Hex[]): Promise<void> {
    const gone = new Set(blobs);
    for (const { uuid, files } of await deps.images()) {
      const isUnwanted = (): boolean => !files.some((sha1) => upkeep.has(sha1));
      if (!files.some((sha1) => gone.has(sha1)) || !isUnwanted()) continue;
      await deps.forgetImage(uuid, isUnwanted).catch((error: unknown) => {
        log.error({ err: error, uuid }, 'the manifest of an evicted image could not be removed');
      });
    }
  }

  async function makeRoom(bytes: number, besides?: Sha1Hex): Promise<boolean> {
    let freed = 0;
    // More rounds than one only where something chosen was put to use meanwhile.
    for (let round = 0; round < 3 && freed < bytes; round += 1) {
      const victims = await plan(bytes - freed, besides);
      if (victims === undefined) break;
      freed += await remove(victims, 'demand');
    }
    return freed >= bytes;
  }

  /** Restores the headroom; where it cannot be had, at least the limits themselves. */
  async function lookAhead(): Promise<void> {
    const { roomBytes, capacityBytes } = await deps.room();
    const low = Math.min(capacityBytes * 0.05, 10 * GIB);
    if (roomBytes >= low) return;
    const target = Math.min(capacityBytes * 0.1, 20 * GIB);
    const canReach = (await lock.run('evict', async () => plan(target - roomBytes, undefined))) !== undefined;
    let left = canReach ? target - roomBytes : -roomBytes;
    while (left > 0 && !stopping.signal.aborted) {
      const bytes = left;
      const freed = await lock.run('evict', async () => {
        const victims = (await plan(bytes, undefined)) ?? (await plan(Number.POSITIVE_INFINITY, undefined)) ?? [];
        return remove(victims.slice(0, BATCH), 'ahead');
      });
      if (freed === 0) break;
      left -= freed;
    }
    await settled(low);
  }

  /** Waits until freed room is seen, else the next run would free it a second time. */
  async function settled(low: number): Promise<void> {
    for (let waited = 0; waited < settleMs && !stopping.signal.aborted; waited += LOOK_EVERY_MS) {
      if ((await deps.room()).roomBytes >= low) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS).unref());
    }
  }

  async function age(): Promise<void> {
    const leftovers = (await upkeep.leftovers()).filter(({ isOpen, sha1, place }) => {
      return !isOpen && !(place === 'partial' && deps.isRunning(sha1));
    });
    const keepMsOf = { partial: options.keepPartialsMs, quarantine: options.keepQuarantinedMs };
    const isOld = ({ place, changedAtMs }: Leftover): boolean => deps.now() - changedAtMs >= keepMsOf[place];
    const surplus = leftovers
      .filter((leftover) => leftover.place === 'quarantine' && !isOld(leftover))
      .toSorted((a, b) => b.changedAtMs - a.changedAtMs)
      .slice(maxQuarantined);
    await remove(leftovers.filter(isOld).map(victimOf), 'age');
    await remove(surplus.map(victimOf), 'surplus');
  }

  async function runOnce(): Promise<void> {
    try {
      stuck.clear();
      await age();
      await lookAhead();
      lastRunAtMs = deps.now();
    } catch (error) {
      log.error({ err: error }, 'the cache could not be kept within its limits; tried again in a minute');
    }
  }

  function run(): void {
    // One at a time: what a nudge during a run is about, the next one sees.
    if (running !== undefined || stopping.signal.aborted) return;
    running = runOnce().finally(() => {
      running = undefined;
    });
  }

  function nudge(): void {
    // Before the start the blobs are not all known, and the start looks anyway.
    if (stopping.signal.aborted || timer === undefined) return;
    nudged ??= setTimeout(() => {
      nudged = undefined;
      if (running === undefined) run();
      else nudge();
    }, options.nudgeMs ?? 1_000).unref();
  }

  const evictImages = createImageEviction({
    ...deps,
    lock,
    remove: async (sha1s) => remove(sha1s.map(victimOfBlob), 'operator'),
  });

  return {
    async preview(bytes) {
      const victims = await lock.run('evict', async () => plan(bytes, undefined));
      if (victims === undefined) return undefined;
      const blobs = victims.filter(({ kind }) => kind === 'blob').length;
      return { blobs, bytes: victims.reduce((sum, victim) => sum + victim.bytes, 0) };
    },
    evictImages,
    async makeRoom(bytes, besides) {
      try {
        return await lock.run('evict', async () => makeRoom(bytes, besides));
      } catch (error) {
        // Without room the file is passed through: no client fails for it.
        log.error({ err: error, bytes }, 'no room could be made');
        return false;
      }
    },
    start() {
      if (stopping.signal.aborted || timer !== undefined) return;
      timer = setInterval(run, options.everyMs ?? 60_000).unref();
      run();
    },
    nudge,
    get lastRunAtMs() {
      return lastRunAtMs;
    },
    async close() {
      stopping.abort();
      clearInterval(timer);
      clearTimeout(nudged);
      await running;
      // What makes room for a download that is being given up.
      await lock.run('evict', async () => undefined);
    },
  };
}

function victimOfBlob(sha1: Sha1Hex): Victim {
  // What it frees is only known once it is gone.
  return { kind: 'blob', sha1, bytes: 0 };
}

function victimOf(leftover: Leftover): Victim {
  return { kind: leftover.place, sha1: leftover.sha1, bytes: leftover.bytes, leftover };
}
