/**
 * Reads every stored blob again, over and over: what a disk has let rot is found before a client is served it. In the
 * background it keeps to a budget and to the plan of scrub-plan.ts; on demand it reads all of them at once.
 *
 * When each blob was last found right is kept in the records, so a restart goes on; without them all begins anew, from
 * the times of arrival.
 */
import { setTimeout as sleepFor } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { WatchingDigester } from './digester.ts';
import type { Inspect, Inspection } from './inspect.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { leastRecentFirst, planScrub, scrubRate, type CheckedBlob } from './scrub-plan.ts';
import { createPace } from './scrub-pace.ts';
import type { TalliedBlob } from './tally.ts';

/** Resolves after `ms`; rejects when the signal is aborted. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** What has to outlive a restart; may be lost. Neither rejects. */
export interface ScrubMarks {
  /** When a blob was last found right, ms since the epoch; undefined if not known. */
  checkedAtMs(sha1: Sha1Hex): Promise<number | undefined>;
  setChecked(sha1: Sha1Hex, atMs: number): Promise<void>;
  round(): Promise<ScrubRound | undefined>;
  setRound(round: ScrubRound): Promise<void>;
}

/** A round has succeeded when everything stored has been found right, or has come, since it began. ms since the epoch. */
export interface ScrubRound {
  readonly beganAtMs: number;
  /** When the last one succeeded. */
  readonly succeededAtMs: number | undefined;
}

/** `failed`: it could not be told; tried again in an hour. For the others see Inspection. */
export const SCRUB_RESULTS = ['right', 'repaired', 'rotted', 'gone', 'failed'] as const;

/** One blob that has been seen to. */
export type ScrubbedBlob = {
  readonly sha1: Sha1Hex;
  /** Its size, bytes. */
  readonly size: number;
} & (Inspection | { readonly result: 'failed'; readonly reason: string });

export interface FullScrub {
  /** Told what is to be done, before anything is. */
  readonly onBegin: (total: { readonly blobs: number; readonly bytes: number }) => void;
  readonly onRead: (bytes: number) => void;
  readonly onChecked: (blob: ScrubbedBlob) => void;
  readonly signal: AbortSignal;
}

export interface Scrub {
  /** Begins to work in the background. */
  start(): void;
  /**
   * Checks all that is stored when it begins, as fast as it goes; the background waits meanwhile, and so does a second call.
   * @throws the signal's reason; MirrorError ShuttingDown.
   */
  checkAll(full: FullScrub): Promise<void>;
  /** A blob is being read. */
  readonly isReading: boolean;
  /** When everything stored was last known to have been checked within one round, ms since the epoch. */
  readonly succeededAtMs: number | undefined;
  /** The same, as long as something that is stored has been read again at all: what has just come counts as checked, and was not. */
  readAgainAtMs(): Promise<number | undefined>;
  /** Breaks off what is being read, within milliseconds. */
  close(): Promise<void>;
}

type ScrubDigester = Pick<WatchingDigester, 'watch' | 'close'>;

export interface ScrubDeps {
  readonly inspect: Inspect;
  readonly blobs: () => Iterable<TalliedBlob>;
  /** Resolves when `blobs` is complete. */
  readonly counted: Promise<unknown>;
  readonly marks: ScrubMarks;
  /** A digester of its own, so that downloads do not take turns with it; closed when there is nothing to read for a while. */
  readonly createDigester: () => ScrubDigester;
  /** Bytes about to be read. */
  readonly onRead: (bytes: number) => void;
  /** Of the background and of `checkAll` alike. Never throws. */
  readonly onChecked: (blob: ScrubbedBlob) => void;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  readonly sleep?: Sleep;
}

export interface ScrubOptions {
  /** Every blob is read once in this time; 0: only on demand. Read anew at every look. */
  readonly everyMs: number;
  /** How often it is looked whether something is due. Default: a minute. */
  readonly lookEveryMs?: number;
  /** When a blob that could not be checked is tried again. Default: an hour. */
  readonly postponeMs?: number;
}

const TURN = 'scrub';
const MAX_POSTPONED = 10_000;
/** Added to each blob's size, so that many small ones are no burst of requests to the disk. */
const BLOB_COST_BYTES = 64 * 1024;

export function createScrub(deps: ScrubDeps, options: ScrubOptions): Scrub {
  const { log, marks, now } = deps;
  const sleep: Sleep = deps.sleep ?? (async (ms, signal) => sleepFor(ms, undefined, { signal, ref: false }));
  const lookEveryMs = options.lookEveryMs ?? 60_000;
  const postponed = new LRUCache<Sha1Hex, true>({ max: MAX_POSTPONED, ttl: options.postponeMs ?? 3_600_000 });
  const turns = createKeyedLock();
  const stopping = new AbortController();
  let yielding = new AbortController();
  let waitingFull = 0;
  let digester: ScrubDigester | undefined;
  let background: Promise<void> | undefined;
  const stopped = Promise.withResolvers<void>();
  let isCounted = false;
  let isReading = false;
  let round: ScrubRound | undefined;
  /** What the records say, of the blobs there are. */
  const checked = new Map<Sha1Hex, number>();

  async function counted(): Promise<void> {
    if (isCounted) return;
    // Counting a big store takes its time, and stopping must not wait for it.
    await Promise.race([deps.counted, stopped.promise]);
    stopping.signal.throwIfAborted();
    isCounted = true;
  }

  /** When it was last found right by reading it; 0: never. */
  async function markOf(sha1: Sha1Hex): Promise<number> {
    const known = checked.get(sha1) ?? (await marks.checkedAtMs(sha1)) ?? 0;
    checked.set(sha1, known);
    return known;
  }

  async function list(): Promise<CheckedBlob[]> {
    await counted();
    round ??= (await marks.round()) ?? (await keepRound({ beganAtMs: now(), succeededAtMs: undefined }));
    const stored = new Set<Sha1Hex>();
    const blobs: CheckedBlob[] = [];
    for (const { sha1, size, arrivedAtMs } of deps.blobs()) {
      stored.add(sha1);
      const checkedAtMs = Math.max(await markOf(sha1), arrivedAtMs);
      // Not in the future, wherever the clock was then: it would not be read for as long.
      blobs.push({ sha1, size, checkedAtMs: Math.min(now(), checkedAtMs) });
    }
    for (const sha1 of checked.keys()) if (!stored.has(sha1)) checked.delete(sha1);
    const { beganAtMs } = round;
    if (blobs.every(({ checkedAtMs }) => checkedAtMs >= beganAtMs)) {
      await keepRound({ beganAtMs: now(), succeededAtMs: now() });
    }
    return blobs;
  }

  async function keepRound(next: ScrubRound): Promise<ScrubRound> {
    round = next;
    await marks.setRound(next);
    return next;
  }

  /** Holds the turn, and a thread to hash in, for as long as `task` runs. */
  async function inTurn(task: (hashing: ScrubDigester) => Promise<void>): Promise<void> {
    await turns.run(TURN, async () => {
      stopping.signal.throwIfAborted();
      const mine = deps.createDigester();
      digester = mine;
      try {
        await task(mine);
      } finally {
        digester = undefined;
        await mine.close();
      }
    });
  }

  async function check(
    blob: CheckedBlob,
    hashing: ScrubDigester,
    pace: (bytes: number) => Promise<void>,
    signal: AbortSignal,
  ): Promise<ScrubbedBlob> {
    const { sha1, size } = blob;
    isReading = true;
    let outcome: ScrubbedBlob;
    try {
      outcome = { sha1, size, ...(await deps.inspect(sha1, { digester: hashing, pace })) };
    } catch (error) {
      signal.throwIfAborted();
      const reason = error instanceof Error ? error.message : String(error);
      log.error({ err: error, sha1 }, 'a stored blob could not be checked; tried again later');
      outcome = { sha1, size, result: 'failed', reason };
    } finally {
      isReading = false;
    }
    if (outcome.result === 'right' || outcome.result === 'repaired') {
      checked.set(sha1, now());
      await marks.setChecked(sha1, now());
    } else {
      postponed.set(sha1, true);
    }
    deps.onChecked(outcome);
    return outcome;
  }

  /** Reads what is due, for a minute or so. @returns how long there is nothing to do, ms. */
  async function look(): Promise<number> {
    const { everyMs } = options;
    if (everyMs <= 0) return lookEveryMs;
    const blobs = await list();
    const rate = scrubRate(
      blobs.reduce((sum, { size }) => sum + size, 0),
      everyMs,
    );
    const plan = planScrub(
      blobs.filter(({ sha1 }) => !postponed.has(sha1)),
      everyMs,
      rate,
    );
    const dueInMs = (plan[0]?.beginAtMs ?? Number.POSITIVE_INFINITY) - now();
    if (dueInMs > 0) return Math.min(dueInMs, lookEveryMs);
    const signal = AbortSignal.any([stopping.signal, yielding.signal]);
    await inTurn(async (hashing) => {
      const wait = createPace({ rate, monotonicNow: deps.monotonicNow, sleep });
      const untilMs = deps.monotonicNow() + lookEveryMs;
      for (const blob of plan) {
        if (blob.beginAtMs > now() || deps.monotonicNow() > untilMs) break;
        await wait(BLOB_COST_BYTES, signal);
        const pace = async (bytes: number): Promise<void> => {
          await wait(bytes, signal);
          deps.onRead(bytes);
        };
        await check(blob, hashing, pace, signal);
      }
    });
    return 0;
  }

  async function work(): Promise<void> {
    while (!stopping.signal.aborted) {
      // What this look is bound to: by the time it has failed, the way may be free again.
      const madeWay = yielding.signal;
      try {
        const idleMs = await look();
        if (idleMs > 0) await sleep(idleMs, stopping.signal);
      } catch (error) {
        if (stopping.signal.aborted) return;
        // It has made way for `checkAll`, whose turn comes before the next of its own.
        if (madeWay.aborted) continue;
        log.error({ err: error }, 'the background scrub has failed; tried again in a minute');
        await sleep(60_000, stopping.signal).catch(() => {});
      }
    }
  }

  return {
    start() {
      background ??= work();
    },
    async checkAll(full) {
      const signal = AbortSignal.any([stopping.signal, full.signal]);
      signal.throwIfAborted();
      waitingFull += 1;
      yielding.abort(new MirrorError('ServiceUnavailableError', 'a full scrub goes before the background one'));
      try {
        await inTurn(async (hashing) => {
          const blobs = leastRecentFirst(await list());
          full.onBegin({ blobs: blobs.length, bytes: blobs.reduce((sum, { size }) => sum + size, 0) });
          for (const blob of blobs) {
            const pace = async (bytes: number): Promise<void> => {
              signal.throwIfAborted();
              deps.onRead(bytes);
              full.onRead(bytes);
            };
            full.onChecked(await check(blob, hashing, pace, signal));
          }
          await list();
        });
      } finally {
        waitingFull -= 1;
        if (waitingFull === 0) yielding = new AbortController();
      }
    },
    get isReading() {
      return isReading;
    },
    get succeededAtMs() {
      return round?.succeededAtMs;
    },
    async readAgainAtMs() {
      const { succeededAtMs } = round ?? (await marks.round()) ?? {};
      if (succeededAtMs === undefined) return undefined;
      for (const { sha1 } of deps.blobs()) if ((await markOf(sha1)) > 0) return succeededAtMs;
      return undefined;
    },
    async close() {
      stopping.abort(new MirrorError('ShuttingDown', 'the mirror is shutting down'));
      stopped.resolve();
      // Whoever waits for the thread is told at once.
      await digester?.close();
      await background;
      await turns.run(TURN, async () => undefined);
    },
  };
}
