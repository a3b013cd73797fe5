import type { Sha1Hex } from '../imgapi/ids.ts';

/**
 * The sizes of the stored blobs, for totals only: whether a blob is there is asked of the disk, never of this.
 * A map and not two counters, so that a blob committed twice, or scanned while it is committed, counts once.
 * About 100 bytes a blob; the public servers together hold some 2,000.
 */
export interface Tally {
  set(sha1: Sha1Hex, size: number): void;
  has(sha1: Sha1Hex): boolean;
  forget(sha1: Sha1Hex): void;
  totals(): { readonly blobs: number; readonly bytes: number };
}

export function createTally(): Tally {
  const sizes = new Map<Sha1Hex, number>();
  let bytes = 0;
  return {
    set(sha1, size) {
      bytes += size - (sizes.get(sha1) ?? 0);
      sizes.set(sha1, size);
    },
    has: (sha1) => sizes.has(sha1),
    forget(sha1) {
      bytes -= sizes.get(sha1) ?? 0;
      sizes.delete(sha1);
    },
    totals: () => ({ blobs: sizes.size, bytes }),
  };
}
