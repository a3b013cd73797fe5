/** Finds out whether a directory can be written, without taking any room. */
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from './errno.ts';

/** Left by a process that was killed in the middle, it does no harm. */
const NAME = '.probe';

/** Makes an empty file and removes it: a full disk passes, one that is read-only, gone or broken does not. @throws MirrorError InternalError */
export async function probeDir(dir: string): Promise<void> {
  const path = join(dir, NAME);
  try {
    const handle = await open(path, 'w');
    await handle.close();
    await unlink(path);
  } catch (error) {
    throw storageError('nothing can be written to it', error, { dir });
  }
}
