/** Chooses what is removed to free so many bytes. PURE. */
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { RankedBlob } from './eviction-ranking.ts';
import type { Leftover } from './leftovers.ts';

export type Victim =
  | { readonly kind: 'blob'; readonly sha1: Sha1Hex; readonly bytes: number }
  | {
      readonly kind: Leftover['place'];
      readonly sha1: Sha1Hex;
      readonly bytes: number;
      readonly leftover: Leftover;
    };

export interface SizedBlob extends RankedBlob {
  /** Bytes of the disk that its removal frees. */
  readonly footprint: number;
}

/**
 * The fewest of them, in order, that free `bytes`: quarantined files, then unfinished downloads, the oldest first, then
 * blobs as ranked.
 * @returns undefined if all of them together would not do: then nothing is worth removing. With a `bytes` of Infinity all.
 */
export function chooseVictims(
  leftovers: readonly Leftover[],
  rankedBlobs: Iterable<SizedBlob>,
  bytes: number,
): readonly Victim[] | undefined {
  const victims: Victim[] = [];
  let freed = 0;
  for (const victim of inOrder(leftovers, rankedBlobs)) {
    if (freed >= bytes) break;
    victims.push(victim);
    freed += victim.bytes;
  }
  return freed >= bytes || bytes === Number.POSITIVE_INFINITY ? victims : undefined;
}

function* inOrder(leftovers: readonly Leftover[], rankedBlobs: Iterable<SizedBlob>): Generator<Victim> {
  for (const place of ['quarantine', 'partial'] as const) {
    const oldestFirst = leftovers
      .filter((leftover) => leftover.place === place)
      .toSorted((a, b) => a.changedAtMs - b.changedAtMs);
    for (const leftover of oldestFirst) {
      yield { kind: place, sha1: leftover.sha1, bytes: leftover.bytes, leftover };
    }
  }
  for (const { sha1, footprint } of rankedBlobs) yield { kind: 'blob', sha1, bytes: footprint };
}
