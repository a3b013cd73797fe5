/**
 * What lies in partial/ and quarantine/: of use to somebody perhaps, promised to nobody. It is read off the disk each
 * time, because what is there is what counts, whoever put it there; the ageing keeps it few.
 */
import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isSha1Hex } from '../imgapi/ids.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { errnoOf, storageError } from './errno.ts';
import { bytesOnDisk } from './footprint.ts';
import { ignoreMissing } from './quarantine.ts';

/** One unfinished download or one quarantined file, with all that lies beside it. */
export interface Leftover {
  readonly place: 'partial' | 'quarantine';
  readonly sha1: Sha1Hex;
  readonly paths: readonly string[];
  /** What it takes of the disk. */
  readonly bytes: number;
  /** When it was last written to, ms since the epoch. */
  readonly changedAtMs: number;
  /** A partial that this process is writing. */
  readonly isOpen: boolean;
}

const SHA1_DIGITS = 40;

/** `resting`: without what this process is writing, whose files are then not looked at: hundreds of them take their time. */
export type WhichLeftovers = 'all' | 'resting';

/** @throws MirrorError InternalError if the disk cannot tell. */
export async function listLeftovers(context: DiskContext, which: WhichLeftovers = 'all'): Promise<Leftover[]> {
  const { layout } = context;
  // Partials first: one that is moved to quarantine meanwhile is then found twice rather than not at all.
  const partials = await listPlace(context, which, 'partial', layout.partialDir, (name) => name.slice(0, SHA1_DIGITS));
  const quarantined = await listPlace(context, which, 'quarantine', layout.quarantineDir, (name) =>
    name.endsWith('.json') ? name.slice(0, -'.json'.length) : name,
  );
  return [...partials, ...quarantined];
}

/**
 * Removes it, unless it is a partial that has been opened meanwhile.
 * @returns the bytes it took; 0 if it stays. @throws MirrorError InternalError
 */
export async function removeLeftover(context: DiskContext, leftover: Leftover): Promise<number> {
  const { sha1, place, paths } = leftover;
  return context.lock.run(sha1, async () => {
    if (place === 'partial' && isInUse(context, sha1)) return 0;
    try {
      let isFound = false;
      for (const path of paths) {
        const was = await unlink(path).then(() => true, ignoreMissing);
        isFound ||= was === true;
      }
      return isFound ? leftover.bytes : 0;
    } catch (error) {
      throw storageError('an old file could not be removed', error, { paths });
    }
  });
}

/** A download or an import is writing it. What lies beside it stays too: it is of the same blob. */
function isInUse({ openPartials, openStaged }: DiskContext, sha1: Sha1Hex): boolean {
  return openPartials.has(sha1) || openStaged.has(sha1);
}

async function listPlace(
  context: DiskContext,
  which: WhichLeftovers,
  place: Leftover['place'],
  dir: string,
  groupOf: (name: string) => string,
): Promise<Leftover[]> {
  const groups = new Map<string, string[]>();
  try {
    for (const name of await readdir(dir)) {
      if (!isSha1Hex(name.slice(0, SHA1_DIGITS))) continue;
      const group = groupOf(name);
      groups.set(group, [...(groups.get(group) ?? []), join(dir, name)]);
    }
    const leftovers: Leftover[] = [];
    for (const [group, paths] of groups) {
      const sha1 = group.slice(0, SHA1_DIGITS);
      if (!isSha1Hex(sha1)) continue;
      const isOpen = place === 'partial' && isInUse(context, sha1);
      if (isOpen && which === 'resting') continue;
      leftovers.push({ place, sha1, paths, isOpen, ...(await measure(paths)) });
    }
    return leftovers;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError('unfinished and quarantined files could not be listed', error, { dir });
  }
}

async function measure(paths: readonly string[]): Promise<{ bytes: number; changedAtMs: number }> {
  let bytes = 0;
  let changedAtMs = 0;
  for (const path of paths) {
    try {
      const found = await stat(path);
      bytes += bytesOnDisk(found);
      // Moving a file changes no mtime, so a quarantined one dates from the reason that was written beside it.
      changedAtMs = Math.max(changedAtMs, found.mtimeMs);
    } catch (error) {
      // Gone since the directory was read.
      ignoreMissing(error);
    }
  }
  return { bytes, changedAtMs };
}
