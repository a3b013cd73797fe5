import { stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { isSha1Hex } from '../imgapi/ids.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { errnoOf, storageError } from './errno.ts';
import { isShardName } from './layout.ts';
import { namesIn } from './names-in.ts';
import { ignoreMissing } from './quarantine.ts';

// Every file operation takes one of libuv's four threads, and requests need them too: the scan never has more than two.
const SCANNERS = 2;

/** Counts what is stored. Blobs committed or moved away meanwhile are counted right. */
export async function scanBlobs(context: DiskContext, signal: AbortSignal | undefined): Promise<void> {
  const { shardsDir } = context.layout;
  const shards = (await namesIn(shardsDir, 'the stored blobs')).filter(isShardName);
  const next = shards.values();
  const scanner = async (): Promise<void> => {
    for (const shard of next) await scanShard(context, shard, signal);
  };
  await Promise.all(Array.from({ length: SCANNERS }, scanner));
}

async function scanShard(context: DiskContext, shard: string, signal: AbortSignal | undefined): Promise<void> {
  const { layout, lock, tally } = context;
  const names = new Set(await namesIn(join(layout.shardsDir, shard), 'the stored blobs'));
  for (const name of names) {
    signal?.throwIfAborted();
    const owner = name.endsWith('.json') ? name.slice(0, -'.json'.length) : name;
    if (owner !== name && isSha1Hex(owner) && owner.startsWith(shard) && !names.has(owner)) {
      await removeLoneSidecar(context, owner);
    }
    if (!isSha1Hex(name) || !name.startsWith(shard)) continue;
    const path = layout.blob(name);
    // Under the lock: a blob that goes to quarantine between stat and set would be counted for ever.
    await lock.run(name, async () => {
      try {
        const found = await stat(path);
        if (found.isFile()) tally.set(name, found.size, found.mtimeMs);
      } catch (error) {
        // Moved away since the directory was read, so not to be counted.
        if (errnoOf(error) !== 'ENOENT') throw storageError('the stored blobs could not be counted', error, { path });
      }
    });
  }
}

/** A crash in the midst of an eviction leaves a sidecar without its blob. It harms nobody, but nobody would remove it either. */
async function removeLoneSidecar({ layout, lock, log }: DiskContext, sha1: Sha1Hex): Promise<void> {
  await lock.run(sha1, async () => {
    try {
      await stat(layout.blob(sha1));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') return;
      await unlink(layout.sidecar(sha1))
        .catch(ignoreMissing)
        .catch((cause: unknown) => log.warn({ err: cause, sha1 }, 'a sidecar without a blob could not be removed'));
    }
  });
}
