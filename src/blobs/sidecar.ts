/**
 * The sidecar `<40 hex>.json` beside a blob: what was found out when it arrived, so that a hit needs no hashing.
 */
import { isSha1Hex } from '../imgapi/ids.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import { isJsonObject, parseJson, readSmallFile } from './json-file.ts';

/** What is known of a stored blob. */
export interface BlobFacts {
  readonly sha1: Sha1Hex;
  /** Bytes. */
  readonly size: number;
  /** Base64, as in Content-MD5. */
  readonly md5: string;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  /** The name of the upstream it came from. */
  readonly source: string;
  /** ISO 8601. */
  readonly arrivedAt: string;
}

/** A sidecar as found: `fault` says in words what is wrong with one that cannot be used, `text` what it held. */
export type Sidecar =
  | { readonly isSound: true; readonly facts: BlobFacts }
  | { readonly isSound: false; readonly fault: string; readonly text: string | undefined };

// Ours are below 500 bytes. More means the file is something else; it is not read into memory.
const MAX_SIDECAR_BYTES = 64 * 1024;

/** True if every field is there and of the right form. */
export function isBlobFacts(value: unknown): value is BlobFacts {
  if (!isJsonObject(value)) return false;
  const { sha1, size, md5, sha256, source, arrivedAt } = value;
  return (
    isSha1Hex(sha1) &&
    typeof size === 'number' &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    typeof md5 === 'string' &&
    /^[A-Za-z0-9+/]{22}==$/.test(md5) &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256) &&
    typeof source === 'string' &&
    typeof arrivedAt === 'string' &&
    !Number.isNaN(Date.parse(arrivedAt))
  );
}

/** The text of a sidecar, its fields in a fixed order. */
export function formatSidecar(facts: BlobFacts): string {
  const { sha1, size, md5, sha256, source, arrivedAt } = facts;
  return `${JSON.stringify({ sha1, size, md5, sha256, source, arrivedAt })}\n`;
}

/** Checks a sidecar's text against the blob it lies beside. */
function parseSidecar(text: string, sha1: Sha1Hex): Sidecar {
  const value = parseJson(text);
  if (value === undefined) return { isSound: false, fault: 'sidecar is not JSON', text };
  if (!isBlobFacts(value)) return { isSound: false, fault: 'sidecar lacks a field', text };
  if (value.sha1 !== sha1) return { isSound: false, fault: 'sidecar is of another blob', text };
  return { isSound: true, facts: value };
}

/**
 * Reads the sidecar at `path`.
 * @throws the file system's error, unless it says that there is no such file: unreadable is not missing.
 */
export async function readSidecar(path: string, sha1: Sha1Hex): Promise<Sidecar> {
  const text = await readSmallFile(path, MAX_SIDECAR_BYTES);
  return text === undefined ? { isSound: false, fault: 'sidecar is missing', text } : parseSidecar(text, sha1);
}
