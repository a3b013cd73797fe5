/** What must be known of a partial to go on with it after a restart; beside it as JSON, and of no use without it. */
import { unlink, writeFile } from 'node:fs/promises';
import { isJsonObject, parseJson, readSmallFile } from './json-file.ts';
import { ignoreMissing } from './quarantine.ts';

export interface PartialNote {
  /** base64, as the first source of the whole file announced it; undefined where it did not. */
  readonly contentMd5?: string;
  /** Names of the upstreams whose bytes are in it. */
  readonly upstreams: readonly string[];
}

const MAX_BYTES = 64 * 1024;

/** Undefined if there is none, or none that is sound: the bytes are good all the same, the SHA-1 decides. */
export async function readNote(path: string): Promise<PartialNote | undefined> {
  const text = await readSmallFile(path, MAX_BYTES);
  const value = text === undefined ? undefined : parseJson(text);
  if (!isJsonObject(value)) return undefined;
  const { contentMd5, upstreams } = value;
  if (!Array.isArray(upstreams) || !upstreams.every((name) => typeof name === 'string')) return undefined;
  return typeof contentMd5 === 'string' ? { contentMd5, upstreams } : { upstreams };
}

/** Not synced while the download runs: after a power cut the note may be gone, and the partial with it. It is when the partial is left. */
export async function writeNote(path: string, note: PartialNote): Promise<void> {
  await writeFile(path, JSON.stringify(note));
}

export async function removeNote(path: string): Promise<void> {
  await unlink(path).catch(ignoreMissing);
}
