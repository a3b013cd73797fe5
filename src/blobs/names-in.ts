import { readdir } from 'node:fs/promises';
import { errnoOf, storageError } from './errno.ts';

/**
 * The names in a directory; none where there is no directory yet. `what` is listed, for the error.
 * @throws MirrorError InternalError if it cannot be read
 */
export async function namesIn(dir: string, what: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError(`${what} could not be listed`, error, { dir });
  }
}
