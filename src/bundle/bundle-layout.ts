/**
 * Where everything in a bundle lies. The index says it all: every byte of a bundle but the contents of its entries follows
 * from it, so that a reader needs no parser for what others may have written. PURE.
 */
import { entriesOf, type BundledFile, type BundledImage, type BundleIndex } from './bundle-index.ts';
import { INDEX_NAME, SIGNATURE_NAME } from './entry-names.ts';
import { refusedBundle } from './refused.ts';
import { END_BYTES, padded, tarHeader } from './tar-header.ts';

export interface BundleEntry {
  readonly name: string;
  /** Where its header begins, in bytes from the start of the bundle. */
  readonly offset: number;
  readonly header: Buffer;
  /** Where its contents begin. */
  readonly dataOffset: number;
  readonly size: number;
  /** Where the next header begins: the contents are filled up with zeros to a whole block. */
  readonly endOffset: number;
  /** What it must be; undefined for the index itself and its signature. */
  readonly file: BundledFile | undefined;
  readonly image: BundledImage | undefined;
}

export interface BundleLayout {
  /** The index, perhaps its signature, and what the index lists. */
  readonly entries: readonly BundleEntry[];
  readonly totalBytes: number;
}

/** Ed25519: RFC 8032. */
export const SIGNATURE_BYTES = 64;

/** @throws MirrorError BundleRefused if the sizes add up to more than any file has. */
export function layoutOf(index: BundleIndex, indexBytes: number, isSigned: boolean): BundleLayout {
  const entries: BundleEntry[] = [];
  let offset = 0;
  const add = (name: string, size: number, file?: BundledFile, image?: BundledImage): void => {
    const header = tarHeader(name, size);
    const dataOffset = offset + header.length;
    const endOffset = dataOffset + padded(size);
    entries.push({ name, offset, header, dataOffset, size, endOffset, file, image });
    offset = endOffset;
  };
  add(INDEX_NAME, indexBytes);
  if (isSigned) add(SIGNATURE_NAME, SIGNATURE_BYTES);
  for (const image of index.images) for (const file of entriesOf(image)) add(file.name, file.size, file, image);
  const totalBytes = offset + END_BYTES;
  if (!Number.isSafeInteger(totalBytes)) throw refusedBundle('its index claims more bytes than any file has');
  return { entries, totalBytes };
}
