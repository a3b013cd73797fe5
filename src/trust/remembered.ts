/** What is remembered of the images: in force until an operator accepts something else. */
import { isImageUuid, isSha1Hex, type ImageUuid } from '../imgapi/ids.ts';
import type { ImageFile, Manifest } from '../imgapi/manifest.ts';

export interface Remembered {
  /** SHA-1s and sizes as first seen, or as accepted. */
  readonly files: readonly ImageFile[];
  /** The name of the upstream that said so last. */
  readonly upstream: string;
  /** When `files` were first seen or accepted, ms since the epoch. */
  readonly sinceMs: number;
  /** The newest with these files; undefined while it is on disk only. */
  readonly manifest: Manifest | undefined;
}

const NO_FILES = '-';

/** Facts as lines, one per image: cheaper to read at a start than JSON (5,000 images: some 8 ms). */
export function factsText(all: Iterable<readonly [ImageUuid, Remembered]>): string {
  const lines: string[] = [];
  for (const [uuid, { files, sinceMs, upstream }] of all) {
    const listed = files.map(({ sha1, size }) => `${sha1}:${size}`).join(',');
    // The name comes last: it alone may hold spaces.
    lines.push(`${uuid} ${sinceMs} ${listed === '' ? NO_FILES : listed} ${upstream.replaceAll('\n', ' ')}`);
  }
  return lines.join('\n');
}

const UUID_LENGTH = 36;
const SHA1_LENGTH = 40;

/** Reads what `factsText` wrote. Lines that are unsound are left out. By position: `split` would double the time of a start. */
export function parseFacts(text: string): [ImageUuid, Remembered][] {
  const found: [ImageUuid, Remembered][] = [];
  for (let start = 0; start < text.length;) {
    const nextBreak = text.indexOf('\n', start);
    const end = nextBreak === -1 ? text.length : nextBreak;
    const afterTime = text.indexOf(' ', start + UUID_LENGTH + 1);
    const afterFiles = text.indexOf(' ', afterTime + 1);
    const uuid = text.slice(start, start + UUID_LENGTH);
    const sinceMs = Number(text.slice(start + UUID_LENGTH + 1, afterTime));
    if (afterTime !== -1 && afterFiles !== -1 && afterFiles < end && isImageUuid(uuid) && Number.isFinite(sinceMs)) {
      const files = parseFiles(text.slice(afterTime + 1, afterFiles));
      const upstream = text.slice(afterFiles + 1, end);
      if (files !== undefined) found.push([uuid, { files, sinceMs, upstream, manifest: undefined }]);
    }
    start = end + 1;
  }
  return found;
}

function parseFiles(listed: string): ImageFile[] | undefined {
  const files: ImageFile[] = [];
  if (listed === NO_FILES) return files;
  for (let start = 0; start < listed.length;) {
    const comma = listed.indexOf(',', start);
    const end = comma === -1 ? listed.length : comma;
    const sha1 = listed.slice(start, start + SHA1_LENGTH);
    const size = Number(listed.slice(start + SHA1_LENGTH + 1, end));
    if (!isSha1Hex(sha1) || !Number.isSafeInteger(size) || size < 0) return undefined;
    files.push({ sha1, size });
    start = end + 1;
  }
  return files;
}
