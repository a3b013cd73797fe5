/**
 * Where things lie below the cache directory. Part of the on-disk format: a change needs a new number in VERSION.
 */
import { join } from 'node:path';
import type { Sha1Hex } from '../imgapi/ids.ts';

export interface BlobLayout {
  /** Holds 256 shards, named by the first two digits. */
  readonly shardsDir: string;
  readonly partialDir: string;
  readonly quarantineDir: string;
  shardDir(sha1: Sha1Hex): string;
  blob(sha1: Sha1Hex): string;
  /** The JSON beside a blob: what was found when it arrived. */
  sidecar(sha1: Sha1Hex): string;
  partial(sha1: Sha1Hex): string;
  /** Where a sidecar is written before its blob is published. */
  partialSidecar(sha1: Sha1Hex): string;
  /** What an import has brought so far, unseen until all of it is right. Beside the partials, so that it ages with them. */
  staged(sha1: Sha1Hex): string;
  /** What is known of an unfinished download. */
  partialNote(sha1: Sha1Hex): string;
  /** `stamp` is a time without separators; it makes the name unique. */
  quarantined(sha1: Sha1Hex, stamp: string): string;
}

/** True for the name of a shard directory. */
export function isShardName(name: string): boolean {
  return /^[0-9a-f]{2}$/.test(name);
}

export function createBlobLayout(cacheDir: string): BlobLayout {
  const shardsDir = join(cacheDir, 'blobs', 'sha1');
  const partialDir = join(cacheDir, 'partial');
  const quarantineDir = join(cacheDir, 'quarantine');
  const shardDir = (sha1: Sha1Hex): string => join(shardsDir, sha1.slice(0, 2));
  return {
    shardsDir,
    partialDir,
    quarantineDir,
    shardDir,
    blob: (sha1) => join(shardDir(sha1), sha1),
    sidecar: (sha1) => join(shardDir(sha1), `${sha1}.json`),
    partial: (sha1) => join(partialDir, sha1),
    partialSidecar: (sha1) => join(partialDir, `${sha1}.json`),
    staged: (sha1) => join(partialDir, `${sha1}.import`),
    partialNote: (sha1) => join(partialDir, `${sha1}.note`),
    quarantined: (sha1, stamp) => join(quarantineDir, `${sha1}-${stamp}`),
  };
}
