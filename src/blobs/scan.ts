import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isSha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { errnoOf, storageError } from './errno.ts';
import { isShardName } from './layout.ts';
import { ignoreMissing } from './quarantine.ts';

// Every file operation takes one of libuv's four threads, and requests need them too: the scan never has more than two.
const SCANNERS = 2;

/** Counts what is stored. Blobs committed or moved away meanwhile are counted right. */
export async function scanBlobs(context: DiskContext, signal: AbortSignal | undefined): Promise<void> {
  const { shardsDir } = context.layout;
  const shards = (await namesIn(shardsDir)).filter(isShardName);
  const next = shards.values();
  const scanner = async (): Promise<void> => {
    for (const shard of next) await scanShard(context, shard, signal);
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
}

async function scanShard(context: DiskContext, shard: string, signal: AbortSignal | undefined): Promise<void> {
  const { layout, lock, tally } = context;
  for (const name of await namesIn(join(layout.shardsDir, shard))) {
    signal?.throwIfAborted();
    if (!isSha1Hex(name) || !name.startsWith(shard)) continue;
    const path = layout.blob(name);
    // Under the lock: a blob that goes to quarantine between stat and set would be counted for ever.
    await lock.run(name, async () => {
      try {
        const found = await stat(path);
        if (found.isFile()) tally.set(name, found.size);
      } catch (error) {
        // Moved away since the directory was read, so not to be counted.
        if (errnoOf(error) !== 'ENOENT') throw storageError('the stored blobs could not be counted', error, { path });
      }
    });
  }
}

/**
 * Removes what an earlier process left in partial/. The one place to change when downloads are resumed across restarts.
 * Partials that this process has begun meanwhile stay.
 */
export async function removeLeftoverPartials(context: DiskContext, signal: AbortSignal | undefined): Promise<void> {
  const { layout, lock, openPartials, log } = context;
  let removed = 0;
  for (const name of await namesIn(layout.partialDir)) {
    signal?.throwIfAborted();
    const sha1 = name.endsWith('.json') ? name.slice(0, -'.json'.length) : name;
    if (!isSha1Hex(sha1)) continue;
    const path = join(layout.partialDir, name);
    await lock.run(sha1, async () => {
      if (openPartials.has(sha1)) return;
      await unlink(path)
        .catch(ignoreMissing)
        .catch((error: unknown) => {
          throw storageError('an old partial could not be removed', error, { path });
        });
      removed += 1;
    });
  }
  if (removed > 0) log.info({ removed }, 'removed unfinished downloads of an earlier run');
}

/** No directory yet is an empty one; one that cannot be read is an error. */
async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError('the stored blobs could not be listed', error, { dir });
  }
}
