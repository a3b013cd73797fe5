import type { ImageUuid } from '../imgapi/ids.ts';
import type { BoundedKeyv } from './bounded-keyv.ts';
import { recordKey } from './record-key.ts';

/** Uuids that every upstream confirmed absent, for a short while. Only a 404 belongs here, never a failure. */
export interface Negatives {
  has(uuid: ImageUuid, channel: string | undefined): Promise<boolean>;
  /** With a `ttlMs` of 0 or less nothing is remembered. */
  add(uuid: ImageUuid, channel: string | undefined, ttlMs: number): Promise<void>;
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
  /** Oldest first. */
  let added = new Set<string>();

  const keyOf = async (uuid: ImageUuid, channel: string | undefined): Promise<string> =>
    recordKey('negative', await currentAge(), channel ?? null, uuid);

  return {
    async has(uuid, channel) {
      return (await keyv.get(await keyOf(uuid, channel))) === true;
    },
    async add(uuid, channel, ttlMs) {
      if (!(ttlMs > 0)) return;
      const key = await keyOf(uuid, channel);
      added.delete(key);
      added.add(key);
      await keyv.set(key, true, ttlMs);
      for (const oldest of added) {
        if (added.size <= options.maxEntries) break;
        added.delete(oldest);
        await keyv.delete(oldest);
      }
    },
    async clear() {
      const next = (await currentAge()) + 1;
      age = Promise.resolve(next);
      added = new Set();
      await keyv.set(ageKey, next);
    },
  };
}
