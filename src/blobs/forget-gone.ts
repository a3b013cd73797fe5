import { stat } from 'node:fs/promises';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { errnoOf } from './errno.ts';

/** An operator may remove a blob by hand; the totals follow when it is next asked for. */
export async function forgetIfGone(context: DiskContext, sha1: Sha1Hex): Promise<void> {
  const { layout, lock, log, tally } = context;
  if (!tally.has(sha1)) return;
  await lock.run(sha1, async () => {
    try {
      await stat(layout.blob(sha1));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || !tally.has(sha1)) return;
      tally.forget(sha1);
      log.warn({ sha1 }, 'stored blob has vanished from the disk');
    }
  });
}
