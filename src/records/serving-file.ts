/**
 * `<cache-dir>/serving.json`: who holds the directory, and, while it serves, where and with which secret.
 * Believed only while the lock is held: after a crash it is stale.
 */
import { join } from 'node:path';
import { isJsonObject, parseJson, readSmallFile } from '../blobs/json-file.ts';

export interface ServingInfo {
  readonly pid: number;
  /** The URL it listens on. Undefined: it holds the directory and does not serve (yet). */
  readonly address: string | undefined;
  /** The per-run secret that stands in for an admin token. */
  readonly secret: string | undefined;
}

/** The path of the file in a cache directory. */
export function servingFile(cacheDir: string): string {
  return join(cacheDir, 'serving.json');
}

/** Undefined if there is none, or none that makes sense. @throws the file system's error if it cannot be read. */
export async function readServing(cacheDir: string): Promise<ServingInfo | undefined> {
  const text = await readSmallFile(servingFile(cacheDir), 64 * 1024);
  const value = text === undefined ? undefined : parseJson(text);
  if (!isJsonObject(value)) return undefined;
  const { pid, address, secret } = value;
  if (typeof pid !== 'number') return undefined;
  return {
    pid,
    address: typeof address === 'string' ? address : undefined,
    secret: typeof secret === 'string' ? secret : undefined,
  };
}
