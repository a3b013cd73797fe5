import { mkdir, rename, stat, unlink } from 'node:fs/promises';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { syncDir, writeAndSync } from './durable-file.ts';
import { errnoOf } from './errno.ts';

/**
 * Moves a file to quarantine, with a `.json` beside it naming why. The reason is written first: nothing lies there unexplained.
 * The caller holds the lock of `sha1`.
 */
export async function moveToQuarantine(
  context: DiskContext,
  sha1: Sha1Hex,
  from: string,
  reason: Readonly<Record<string, unknown>>,
): Promise<string> {
  const { layout } = context;
  const target = layout.quarantined(sha1, context.nextStamp());
  await mkdir(layout.quarantineDir, { recursive: true });
  await writeAndSync(`${target}.json`, `${JSON.stringify({ sha1, ...reason }, undefined, 2)}\n`);
  try {
    await rename(from, target);
  } catch (error) {
    await unlink(`${target}.json`);
    throw error;
  }
  await syncDir(layout.quarantineDir);
  return target;
}

/** The file that was looked at and found wanting. */
export interface Unsound {
  readonly sha1: Sha1Hex;
  /** Of the open descriptor, so that a file put in its place since is left alone. */
  readonly dev: number;
  readonly ino: number;
  readonly fault: string;
  readonly evidence: Readonly<Record<string, unknown>>;
}

/**
 * Takes an unsound blob out of the store, so that the next request fetches it anew; its bytes are kept in quarantine.
 * @returns false if another file is in its place by now, or none: look again.
 */
export async function setAsideBlob(context: DiskContext, unsound: Unsound): Promise<boolean> {
  const { layout, log, lock, tally } = context;
  const { sha1, fault, evidence } = unsound;
  return lock.run(sha1, async () => {
    const path = layout.blob(sha1);
    try {
      const now = await stat(path);
      if (now.ino !== unsound.ino || now.dev !== unsound.dev) return false;
      const movedTo = await moveToQuarantine(context, sha1, path, { fault, ...evidence });
      await unlink(layout.sidecar(sha1)).catch(ignoreMissing);
      tally.forget(sha1);
      log.warn(
        { sha1, fault, movedTo, ...evidence },
        'stored blob is unsound: moved to quarantine, will be fetched anew',
      );
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      // It is known to be unsound, so it is a miss even where it cannot be moved: a new one will be renamed over it.
      log.error(
        { sha1, fault, err: error, ...evidence },
        'stored blob is unsound and could not be moved to quarantine',
      );
    }
    return true;
  });
}

/** Swallows only "no such file": what was to be removed is gone. */
export function ignoreMissing(error: unknown): void {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
