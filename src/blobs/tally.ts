import type { Sha1Hex } from '../imgapi/ids.ts';
import { footprintOf } from './footprint.ts';

/** A stored blob as the tally knows it. */
export interface TalliedBlob {
  readonly sha1: Sha1Hex;
  /** Bytes. */
  readonly size: number;
  /** ms since the epoch. */
  readonly arrivedAtMs: number;
}

/**
 * The sizes of the stored blobs, for totals and for eviction: whether a blob is there is asked of the disk, never of this.
 * A map and not two counters, so that a blob committed twice, or scanned while it is committed, counts once.
 * About 200 bytes a blob; the public servers together hold some 2,000.
 */
export interface Tally {
  /** `arrivedAtMs` defaults to now. */
  set(sha1: Sha1Hex, size: number, arrivedAtMs?: number): void;
  has(sha1: Sha1Hex): boolean;
  forget(sha1: Sha1Hex): void;
  totals(): { readonly blobs: number; readonly bytes: number };
  blobs(): Iterable<TalliedBlob>;
  /** What all of them take of the disk, see `footprintOf`. */
  footprint(): number;
}

export function createTally(): Tally {
  const blobs = new Map<Sha1Hex, TalliedBlob>();
  let bytes = 0;
  let footprint = 0;
  const forget = (sha1: Sha1Hex): void => {
    const before = blobs.get(sha1);
    if (before === undefined) return;
    bytes -= before.size;
    footprint -= footprintOf(before.size);
    blobs.delete(sha1);
  };
  return {
    set(sha1, size, arrivedAtMs = Date.now()) {
      forget(sha1);
      bytes += size;
      footprint += footprintOf(size);
      blobs.set(sha1, { sha1, size, arrivedAtMs });
    },
    has: (sha1) => blobs.has(sha1),
    forget,
    totals: () => ({ blobs: blobs.size, bytes }),
    blobs: () => blobs.values(),
    footprint: () => footprint,
  };
}
