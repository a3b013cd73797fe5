import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import { isSha1Hex } from '../imgapi/ids.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { BoundedKeyv } from './bounded-keyv.ts';

/** When blobs were last used, for eviction. */
export interface LastUse {
  /** Notes a use, in ms since 1970. Costs no I/O: written at most once a second, and at close. */
  touch(sha1: Sha1Hex, atMs: number): void;
  /** Undefined if never used, or not known any more. Read from the store once: eviction asks of every blob, again and again. */
  get(sha1: Sha1Hex): Promise<number | undefined>;
}

export interface FlushedLastUse extends LastUse {
  flush(): Promise<void>;
  /** Flushes, and stops the timer. */
  close(): Promise<void>;
}

// More different blobs than this within one interval: they are written early.
const MAX_PENDING = 1_000;
/** Times in memory: some 100 bytes each. */
const MAX_KNOWN = 20_000;

export function createLastUse(
  deps: { readonly keyv: BoundedKeyv; readonly log: Log },
  options: { readonly flushEveryMs: number },
): FlushedLastUse {
  const { keyv, log } = deps;
  let pending = new Map<Sha1Hex, number>();
  const known = new LRUCache<Sha1Hex, number>({ max: MAX_KNOWN });
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let isClosed = false;

  const writeAfter = async (before: Promise<void>, batch: Parameters<BoundedKeyv['setMany']>[0]): Promise<void> => {
    await before;
    await keyv.setMany(batch);
  };

  const flush = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    if (pending.size > 0) {
      const batch = Array.from(pending, ([sha1, atMs]) => ({ key: keyOf(sha1), value: atMs }));
      pending = new Map();
      // One after the other: an older batch that is slow must not overwrite a newer one.
      writing = writeAfter(writing, batch);
    }
    return writing;
  };

  const flushInBackground = (): void => {
    // setMany does not reject; this is for the day it does.
    flush().catch((error: unknown) => log.warn({ err: error }, 'records: last use not written'));
  };

  return {
    touch(sha1, atMs) {
      if (isClosed) return;
      const latestMs = Math.max(atMs, pending.get(sha1) ?? 0);
      pending.set(sha1, latestMs);
      known.set(sha1, latestMs);
      if (pending.size >= MAX_PENDING) flushInBackground();
      else timer ??= setTimeout(flushInBackground, options.flushEveryMs).unref();
    },
    async get(sha1) {
      const noted = pending.get(sha1) ?? known.get(sha1);
      if (noted !== undefined) return noted;
      await writing;
      const value = await keyv.get(keyOf(sha1));
      if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
      // Touched while the store was asked: that is newer.
      const lastUseMs = known.get(sha1) ?? value;
      known.set(sha1, lastUseMs);
      return lastUseMs;
    },
    flush,
    async close() {
      isClosed = true;
      await flush();
    },
  };
}

function keyOf(sha1: Sha1Hex): string {
  if (!isSha1Hex(sha1)) throw new TypeError('not a SHA-1');
  return `last-use:${String(sha1)}`;
}
