/** A cache directory for a dry run where there is none yet. */
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf } from '../blobs/errno.ts';
import { DataDirError } from '../records/data-dir.ts';
import { nearestExisting } from './self-check.ts';

/**
 * Runs `use` with a directory where `dir` would be made, and removes it: what has room on that file system is part of the answer.
 * @throws DataDirError where none can be made, as `dir` itself could not
 */
export async function withScratchDir<T>(dir: string, use: (scratch: string) => Promise<T>): Promise<T> {
  const place = await nearestExisting(dir);
  let scratch: string;
  try {
    scratch = await mkdtemp(path.join(place, '.dry-run-'));
  } catch (error) {
    const errno = errnoOf(error) ?? String(error);
    throw new DataDirError('unwritable', `cache directory ${dir} cannot be used: ${errno} at ${place}`, error);
  }
  try {
    return await use(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
