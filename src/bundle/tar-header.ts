/**
 * The headers of a bundle's tar archive: ustar, with a pax header before an entry of 8 GiB or more. Everything but name and
 * size is fixed, so that the same images make the same bytes. PURE. (POSIX.1-2017, pax, "ustar Interchange Format".)
 */
import { quote } from '../config/problem.ts';

export const BLOCK_BYTES = 512;
/** The names must fit the header's first field: splitting them over `prefix` helps nobody. */
export const MAX_NAME_BYTES = 100;
/** The end of an archive: two empty blocks. */
export const END_BYTES = 2 * BLOCK_BYTES;

/** What does not fit eleven octal digits. */
const BIG = 0o77777777777 + 1;
/** 1980-01-01: the first time that no tool finds odd. */
const MTIME = 315_532_800;

/** One block, or three for an entry of 8 GiB or more. `name` is ASCII, without slashes. */
export function tarHeader(name: string, size: number): Buffer {
  if (size < BIG) return block(name, size, '0');
  const record = paxRecord('size', String(size));
  const body = Buffer.alloc(padded(record.length));
  body.write(record, 'ascii');
  // POSIX: the size in the pax header is in force, not the one after it.
  return Buffer.concat([
    block(`${name.slice(0, MAX_NAME_BYTES - 4)}.pax`, record.length, 'x'),
    body,
    block(name, 0, '0'),
  ]);
}

/** Bytes of whole blocks. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

function block(name: string, size: number, typeflag: string): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  header.write(name, 0, MAX_NAME_BYTES, 'ascii');
  header.write('0000644\0', 100, 'ascii');
  header.write('0000000\0', 108, 'ascii');
  header.write('0000000\0', 116, 'ascii');
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'ascii');
  header.write(`${MTIME.toString(8).padStart(11, '0')}\0`, 136, 'ascii');
  header.write(typeflag, 156, 'ascii');
  header.write('ustar\x0000', 257, 'ascii');
  header.write('root', 265, 'ascii');
  header.write('root', 297, 'ascii');
  header.write('0000000\0', 329, 'ascii');
  header.write('0000000\0', 337, 'ascii');
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'ascii');
  return header;
}

/** The sum of all bytes, its own field counted as spaces. */
function checksumOf(header: Buffer): number {
  let sum = 8 * 0x20;
  for (const [at, byte] of header.entries()) if (at < 148 || at >= 156) sum += byte;
  return sum;
}

/** `<length> <key>=<value>\n`, its length counting itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return `${length}${rest}`;
}

const KINDS: Readonly<Record<string, string>> = {
  '1': 'a hard link',
  '2': 'a symbolic link',
  '3': 'a character device',
  '4': 'a block device',
  '5': 'a directory',
  '6': 'a pipe',
  g: 'a pax header',
  x: 'a pax header',
  K: 'a GNU long link',
  L: 'a GNU long name',
  S: 'a sparse file',
};

/**
 * What is wrong with a block that is not the header that was due, in words for whoever made the archive. Control characters
 * of a name are escaped.
 */
export function describeHeader(header: Buffer): string {
  if (header.every((byte) => byte === 0)) return 'the archive ends here';
  const checksum = Number.parseInt(textAt(header, 148, 8), 8);
  if (checksum !== checksumOf(header)) return 'this is no tar header, or its checksum is wrong';
  const prefix = textAt(header, 345, 155);
  const name = `${prefix === '' ? '' : `${prefix}/`}${textAt(header, 0, MAX_NAME_BYTES)}`;
  const shown = quote(name);
  const kind = KINDS[textAt(header, 156, 1)];
  if (kind !== undefined) return `${shown} is ${kind}`;
  if (name.startsWith('/')) return `${shown} is an absolute path`;
  if (name.split('/').includes('..')) return `${shown} leads out of its directory`;
  return `${shown} of ${textAt(header, 124, 12)} (octal) bytes is what is there`;
}

function textAt(header: Buffer, from: number, length: number): string {
  const field = header.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end === -1 ? length : end);
}
