import type { ImageUuid } from '../imgapi/ids.ts';
import type { BoundedKeyv } from './bounded-keyv.ts';
import { recordKey } from './record-key.ts';

/** Uuids that every upstream confirmed absent, for a short while. Only a 404 belongs here, never a failure. */
export interface Negatives {
  has(uuid: ImageUuid, channel: string | undefined): Promise<boolean>;
  /** How often they were all forgotten: taken before an upstream is asked, it dates the answer. */
  readonly generation: number;
  /**
   * With a `ttlMs` of 0 or less nothing is remembered, nor if they were all forgotten since `generation`: the answer may be
   * from before what they were forgotten for.
   */
  add(uuid: ImageUuid, channel: string | undefined, ttlMs: number, generation?: number): Promise<void>;
  /** How many of this process are in force. */
  count(): number;
  /** Forgets them all, those of earlier runs too: after a refresh that brought something new. */
  clear(): Promise<void>;
}

/**
 * At most `maxEntries` added by this process are in the store; beyond that the oldest go. Those of an earlier run are not
 * counted, and expire by themselves.
 */
export function createNegatives(
  deps: { readonly keyv: BoundedKeyv },
  options: { readonly maxEntries: number },
): Negatives {
  const { keyv } = deps;
  // The keys carry the number of an age, and clear() begins a new one: no list of keys is needed to forget those that
  // an earlier run, or another instance, has added.
  const ageKey = recordKey('negative-age');
  let age: Promise<number> | undefined;
  const currentAge = (): Promise<number> =>
    (age ??= keyv.get(ageKey).then((value) => (typeof value === 'number' ? value : 0)));
  let generation = 0;
  /** When each expires, on `performance.now()`; oldest first. */
  let added = new Map<string, number>();

  const keyOf = async (uuid: ImageUuid, channel: string | undefined): Promise<string> =>
    recordKey('negative', await currentAge(), channel ?? null, uuid);

  return {
    async has(uuid, channel) {
      return (await keyv.get(await keyOf(uuid, channel))) === true;
    },
    get generation() {
      return generation;
    },
    async add(uuid, channel, ttlMs, since = generation) {
      if (!(ttlMs > 0)) return;
      const key = await keyOf(uuid, channel);
      if (since !== generation) return;
      added.delete(key);
      added.set(key, performance.now() + ttlMs);
      await keyv.set(key, true, ttlMs);
      for (const oldest of added.keys()) {
        if (added.size <= options.maxEntries) break;
        added.delete(oldest);
        await keyv.delete(oldest);
      }
    },
    count() {
      const nowMs = performance.now();
      let inForce = 0;
      for (const expiresMs of added.values()) if (expiresMs > nowMs) inForce += 1;
      return inForce;
    },
    async clear() {
      // First of all, before anything is waited for: what is being added now is from before.
      generation += 1;
      const next = (await currentAge()) + 1;
      age = Promise.resolve(next);
      added = new Map();
      await keyv.set(ageKey, next);
    },
  };
}
