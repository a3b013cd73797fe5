/** Reads a small file whole, with a bound, and says in words why it could not. */
import { open } from 'node:fs/promises';
import { constants } from 'node:fs';

export type TextFile = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
};

/** The text of the file at `path`, which must be UTF-8 and no longer than `maxBytes`. Never throws. */
export async function readTextFile(path: string, maxBytes: number): Promise<TextFile> {
  try {
    // Opening a pipe would otherwise wait for its writer, for ever.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (stats.isDirectory()) return { ok: false, reason: 'it is a directory' };
    if (!stats.isFile()) return { ok: false, reason: 'it is not a regular file' };
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    while (length <= maxBytes) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes) return { ok: false, reason: `it is larger than ${maxBytes} bytes` };
    return { ok: true, text: new TextDecoder('utf-8', { fatal: true }).decode(buffer.subarray(0, length)) };
  } catch (error) {
    if (!(error instanceof Error)) return { ok: false, reason: String(error) };
    const code = 'code' in error ? String(error.code) : '';
    return { ok: false, reason: REASONS[code] ?? error.message };
  }
}
