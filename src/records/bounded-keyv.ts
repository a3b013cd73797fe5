/**
 * Keyv as the records use it: one instance, plain JSON, every failure logged and none thrown, every wait bounded.
 * What is kept here can be fetched or found again, so a store that fails is treated as one that knows nothing.
 */
import { Keyv } from 'keyv';
import type { KeyvEntry, KeyvStorageAdapter } from 'keyv';
import type { Log } from '../config/log.ts';

/** Any Keyv 6 storage adapter, or a Map. Keyv 5's adapters work too, through Keyv's own bridge. */
export type RecordsStore =
  | Map<string, unknown>
  | Pick<
      KeyvStorageAdapter,
      'capabilities' | 'get' | 'set' | 'setMany' | 'delete' | 'clear' | 'has' | 'hasMany' | 'getMany'
    >;

export interface BoundedKeyv {
  /** Undefined if it is not there, has expired, or could not be had in time. */
  get(key: string): Promise<unknown>;
  /** `ttlMs` must be above 0; undefined means for ever. @returns false where it may not have been written */
  set(key: string, value: unknown, ttlMs?: number): Promise<boolean>;
  /** @returns as `set`, of all of them together */
  setMany(entries: KeyvEntry<unknown>[]): Promise<boolean>;
  delete(key: string): Promise<void>;
  /** Closes the store. */
  close(): Promise<void>;
}

// A store that is down fails every request; it is said once in a while, with a count.
const COMPLAIN_EVERY_MS = 10_000;

export function createBoundedKeyv(
  deps: { readonly store: RecordsStore; readonly log: Log },
  options: { readonly deadlineMs: number },
): BoundedKeyv {
  const complain = createComplainer(deps.log);
  const keyv = new Keyv<unknown>({
    store: deps.store,
    // Keyv's own walks through every string, to carry binary and big integers; ours is JSON already, up to megabytes of it.
    serialization: { stringify: JSON.stringify, parse: JSON.parse },
  });
  // Without a listener Keyv would throw what the store throws.
  keyv.on('error', (error: unknown) => complain(error));

  const inTime = async <T>(work: Promise<T>, operation: string): Promise<T | undefined> => {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => {
        complain(new Error(`${operation} took longer than ${options.deadlineMs} ms`));
        resolve(undefined);
      }, options.deadlineMs);
    });
    try {
      return await Promise.race([work, deadline]);
    } catch (error) {
      complain(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    get: (key) => inTime(keyv.get(key), 'get'),
    async set(key, value, ttlMs) {
      return (await inTime(keyv.set(key, value, ttlMs), 'set')) === true;
    },
    async setMany(entries) {
      const written = await inTime(keyv.setMany(entries), 'setMany');
      return written?.every((isWritten) => isWritten) === true;
    },
    async delete(key) {
      await inTime(keyv.delete(key), 'delete');
    },
    async close() {
      await inTime(keyv.disconnect(), 'disconnect');
    },
  };
}

function createComplainer(log: Log): (error: unknown) => void {
  let saidAt = Number.NEGATIVE_INFINITY;
  let unsaid = 0;
  return (error) => {
    // A monotonic clock: a step of the wall clock must not silence it.
    const now = performance.now();
    if (now - saidAt < COMPLAIN_EVERY_MS) {
      unsaid += 1;
      return;
    }
    log.warn({ err: error, unsaid }, 'records: the store failed; going on without it');
    saidAt = now;
    unsaid = 0;
  };
}
