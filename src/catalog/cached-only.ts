/** `catalog.listOnlyCached`: of a list, the images that are here whole. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { CatalogEntry } from './merge.ts';

export interface CachedOnly {
  /**
   * Those of which every file is stored; an image without files is none of them. The same order.
   * @throws MirrorError ServiceUnavailableError while the store is being counted and that takes long
   */
  filter(entries: readonly CatalogEntry[]): Promise<readonly CatalogEntry[]>;
}

export interface CachedOnlyDeps {
  /** Complete once `whenCounted` has resolved. */
  readonly hasBlob: (sha1: Sha1Hex) => boolean;
  readonly whenCounted: Promise<void>;
}

/** As long as a client waits for a first list. */
const PATIENCE_MS = 10_000;

export function createCachedOnly(deps: CachedOnlyDeps): CachedOnly {
  let isCounted = false;

  async function counted(): Promise<void> {
    if (isCounted) return;
    const end = new AbortController();
    const late = sleep(PATIENCE_MS, false, { ref: false, signal: end.signal }).catch(() => false);
    isCounted = await Promise.race([deps.whenCounted.then(() => true), late]);
    end.abort();
    if (!isCounted) throw new MirrorError('ServiceUnavailableError', 'what is cached is still being counted');
  }

  function isHere({ manifest: { files } }: CatalogEntry): boolean {
    // A file of no bytes needs no blob.
    return files.length > 0 && files.every(({ sha1, size }) => size === 0 || deps.hasBlob(sha1));
  }

  return {
    async filter(entries) {
      await counted();
      return entries.filter(isHere);
    },
  };
}
