/** Finds out whether the cache directory can be used, without taking any room. */
import { open, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from './errno.ts';

/** Left by a process that was killed in the middle, it does no harm. */
const NAME = '.probe';

/**
 * Makes an empty file and removes it. A disk that is read-only, gone or broken does not pass, nor one without room for a name; where an
 * empty file takes no room, one that is merely full does. @throws MirrorError InternalError
 */
export async function probeDir(dir: string): Promise<void> {
  const path = join(dir, NAME);
  try {
    const handle = await open(path, 'w');
    await handle.close();
    await unlink(path);
  } catch (error) {
    throw storageError('nothing can be written to the cache directory', error, { dir });
  }
}

/** @throws MirrorError InternalError if it cannot be read: it is gone, or no directory */
export async function lookInto(dir: string): Promise<void> {
  try {
    await readdir(dir);
  } catch (error) {
    throw storageError('the cache directory cannot be read', error, { dir });
  }
}
