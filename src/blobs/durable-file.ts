import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errno.ts';

/** Makes renames, creations and removals in `dir` survive a power cut. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some network filesystems cannot sync a directory and say EINVAL; there is nothing better to do on them.
    if (errnoOf(error) !== 'EINVAL') throw error;
  } finally {
    await handle.close();
  }
}

/** Makes what a file holds survive a power cut; not yet its name: see `syncDir`. */
export async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes a whole small file and syncs it. It is not yet known to survive under its name: see `syncDir`. */
export async function writeAndSync(path: string, text: string, modeBits = 0o644): Promise<void> {
  const handle = await open(path, 'w', modeBits);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Replaces a small file so that a reader, or a crash at any moment, sees the old text or the new one, whole.
 * Goes through `<path>.tmp`: two writers of one path must take turns.
 */
export async function replaceFile(path: string, text: string, modeBits = 0o644): Promise<void> {
  await writeAndSync(`${path}.tmp`, text, modeBits);
  await rename(`${path}.tmp`, path);
  await syncDir(dirname(path));
}
