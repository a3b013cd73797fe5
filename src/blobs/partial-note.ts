/** What must be known of a partial to go on with it after a restart; beside it as JSON, and of no use without it. */
import { unlink, writeFile } from 'node:fs/promises';
import { isJsonObject, parseJson, readSmallFile } from './json-file.ts';
import { ignoreMissing } from './quarantine.ts';

/** The validators that one source's bytes came with. */
export interface NotedValidators {
  /** The upstream's name. */
  readonly upstream: string;
  readonly uuid: string;
  readonly index: number;
  readonly etag?: string;
  readonly lastModified?: string;
}

export interface PartialNote {
  /** base64, as the first source of the whole file announced it; undefined where it did not. */
  readonly contentMd5?: string;
  /** Names of the upstreams whose bytes are in it. */
  readonly upstreams: readonly string[];
  /** Of its sources, as far as they gave any: what a part that is to go behind these bytes must come with. */
  readonly validators?: readonly NotedValidators[];
}

const MAX_BYTES = 64 * 1024;

/** Undefined if there is none, or none that is sound: the bytes are good all the same, the SHA-1 decides. */
export async function readNote(path: string): Promise<PartialNote | undefined> {
  const text = await readSmallFile(path, MAX_BYTES);
  const value = text === undefined ? undefined : parseJson(text);
  if (!isJsonObject(value)) return undefined;
  const { contentMd5, upstreams, validators } = value;
  if (!Array.isArray(upstreams) || !upstreams.every((name) => typeof name === 'string')) return undefined;
  return {
    ...(typeof contentMd5 === 'string' ? { contentMd5 } : {}),
    upstreams,
    ...(Array.isArray(validators) && validators.every(isNotedValidators) ? { validators } : {}),
  };
}

function isNotedValidators(value: unknown): value is NotedValidators {
  if (!isJsonObject(value)) return false;
  const { upstream, uuid, index, etag, lastModified } = value;
  const isPlace = typeof upstream === 'string' && typeof uuid === 'string' && Number.isSafeInteger(index);
  return isPlace && [etag, lastModified].every((one) => one === undefined || typeof one === 'string');
}

/** Not synced while the download runs: after a power cut the note may be gone, and the partial with it. It is when the partial is left. */
export async function writeNote(path: string, note: PartialNote): Promise<void> {
  await writeFile(path, JSON.stringify(note));
}

export async function removeNote(path: string): Promise<void> {
  await unlink(path).catch(ignoreMissing);
}
