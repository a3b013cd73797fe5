/**
 * Stored files that were found rotten. They are on their way to quarantine; where the disk will not let them go there,
 * they must not be served from their place either.
 */
import type { Stats } from 'node:fs';
import { LRUCache } from 'lru-cache';

/** What tells one file from another that takes its name, or its inode, later. Moving a file changes none of them. */
export type FileIdentity = Pick<Stats, 'dev' | 'ino' | 'mtimeMs'>;

export interface Condemned {
  add(file: FileIdentity): void;
  has(file: FileIdentity): boolean;
}

/** More rotten files than this in one life of a mirror, and the first of them are served again to who has them open. */
const MAX_CONDEMNED = 10_000;

export function createCondemned(): Condemned {
  const files = new LRUCache<string, true>({ max: MAX_CONDEMNED });
  return {
    add: (file) => void files.set(keyOf(file), true),
    has: (file) => files.size > 0 && files.has(keyOf(file)),
  };
}

function keyOf({ dev, ino, mtimeMs }: FileIdentity): string {
  return `${dev} ${ino} ${mtimeMs}`;
}
