/** What a chaos run does to a stopped mirror's directory, and what it must not find there in the end. */
import { readdirSync } from 'node:fs';
import { readdir, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { isSha1Hex } from '../../src/imgapi/ids.ts';
import type { Random } from './random.ts';

/** Descriptors this process has open (Linux). */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Takes most blobs away, so that there is something to download again, and cuts some short: both must become misses. */
export async function loseBlobs(cacheDir: string, random: Random): Promise<void> {
  for (const file of (await filesBelow(path.join(cacheDir, 'blobs'))).toSorted()) {
    if (!isSha1Hex(path.basename(file))) continue;
    if (random.chance(0.8)) {
      await rm(file, { force: true });
      // Half of them leave their sidecar behind, as a crash between the two removals does.
      if (random.chance(0.5)) await rm(`${file}.json`, { force: true });
    } else if (random.chance(0.1)) {
      await truncate(file, 0);
    }
  }
}

/**
 * Files that nothing explains, once every one of `stored` is stored and no mirror runs: all partials, anything in the
 * store that is no blob and no blob's sidecar, and quarantined files beyond the 100 that are kept.
 */
export async function leakedFiles(cacheDir: string, stored: ReadonlySet<string>): Promise<string[]> {
  const partials = await filesBelow(path.join(cacheDir, 'partial'));
  const kept = await filesBelow(path.join(cacheDir, 'blobs'));
  const names = new Set(kept.map((file) => path.basename(file)));
  const strange = kept.filter((file) => {
    const owner = path.basename(file, '.json');
    return !stored.has(owner) || !names.has(owner);
  });
  const quarantined = (await filesBelow(path.join(cacheDir, 'quarantine'))).filter((file) => !file.endsWith('.json'));
  return [...partials, ...strange, ...quarantined.slice(100)];
}

async function filesBelow(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
}
