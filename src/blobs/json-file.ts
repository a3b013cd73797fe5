/**
 * Reading the small JSON files that this program wrote itself, which may have been cut short or changed since.
 */
import { open } from 'node:fs/promises';
import { errnoOf } from './errno.ts';

/** True for a JSON object, false for an array or null. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of a JSON text; undefined if it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Callers hold the text and say what is wrong with it.
    return undefined;
  }
}

/**
 * The first `maxBytes` of the file at `path`; undefined if there is no such file. A longer one is cut, and so is no JSON.
 * @throws the file system's error, unless it says that there is no such file: unreadable is not missing.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<string | undefined> {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = await handle.stat();
    const wanted = Math.min(size, maxBytes);
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
