/** Makes a directory and its missing parents. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errno.ts';

/**
 * Not `mkdir` with `recursive`: where a file system answers ENOENT for a new name below a directory that is there (as
 * /proc does), Node tries for ever.
 */
export async function makeDir(dir: string, mode: number): Promise<void> {
  try {
    await mkdir(dir, { mode });
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EEXIST' && (await stat(dir)).isDirectory()) return;
    const parent = dirname(dir);
    if (errno !== 'ENOENT' || parent === dir || (await isThere(parent))) throw error;
    await makeDir(parent, mode);
    await mkdir(dir, { mode });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
