/**
 * Who sent wrong bytes lately. It changes the order in which sources are asked for a blob, and never leaves one out.
 */
import { LRUCache } from 'lru-cache';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { WantedBlob } from './wanted.ts';

export interface Blame {
  /** Sources that are blamed for this blob come last. */
  inOrder(wanted: WantedBlob): WantedBlob;
  /** The upstreams' bytes of this blob were wrong, or they have it not, or of another size. */
  add(sha1: Sha1Hex, upstreams: readonly string[]): void;
  /** True if nobody is left to be asked first. */
  isOnAll(wanted: WantedBlob): boolean;
  /** The parts of this blob did not make the whole: nobody knows whose were wrong until it is fetched from one source. */
  suspect(sha1: Sha1Hex): void;
  isSuspect(sha1: Sha1Hex): boolean;
  /** It was right in the end. */
  clearSuspicion(sha1: Sha1Hex): void;
}

/** Blame is forgotten after this, ms. */
const COOL_DOWN_MS = 10 * 60_000;
const MAX_REMEMBERED = 10_000;

export function createBlame(): Blame {
  const cooling = new LRUCache<string, true>({ max: MAX_REMEMBERED, ttl: COOL_DOWN_MS });
  const suspects = new LRUCache<Sha1Hex, true>({ max: MAX_REMEMBERED, ttl: COOL_DOWN_MS });
  const isBlamed = (upstream: string, sha1: Sha1Hex): boolean => cooling.has(`${upstream} ${sha1}`);

  return {
    inOrder(wanted) {
      const { sha1, sources } = wanted;
      const last = sources.filter(({ upstream }) => isBlamed(upstream.name, sha1));
      return { ...wanted, sources: [...sources.filter((source) => !last.includes(source)), ...last] };
    },
    add(sha1, upstreams) {
      for (const name of upstreams) cooling.set(`${name} ${sha1}`, true);
    },
    isOnAll: ({ sha1, sources }) => sources.every(({ upstream }) => isBlamed(upstream.name, sha1)),
    suspect: (sha1) => void suspects.set(sha1, true),
    isSuspect: (sha1) => suspects.has(sha1),
    clearSuspicion: (sha1) => void suspects.delete(sha1),
  };
}
