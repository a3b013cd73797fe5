/** The blobs that running prefetches want: what one of them has or has just fetched must not go to make room for the rest. */
import type { Sha1Hex } from '../imgapi/ids.ts';

export interface PrefetchHolds {
  /** Until the function it returns is called; again is harmless. */
  hold(blobs: Iterable<Sha1Hex>): () => void;
  has(sha1: Sha1Hex): boolean;
}

export function createPrefetchHolds(): PrefetchHolds {
  const held = new Set<ReadonlySet<Sha1Hex>>();
  return {
    hold(blobs) {
      const mine = new Set(blobs);
      held.add(mine);
      return () => void held.delete(mine);
    },
    has: (sha1) => [...held].some((blobs) => blobs.has(sha1)),
  };
}
