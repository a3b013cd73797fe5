/** A bundle's index: its first entry, which names every other one with size and digests. PURE. */
import { isJsonObject, parseJson } from '../blobs/json-file.ts';
import { isImageUuid, isSha1Hex } from '../imgapi/ids.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { INDEX_NAME, isEntryName, SIGNATURE_NAME } from './entry-names.ts';
import { refusedBundle } from './refused.ts';

/** What is in a bundle, and where. A change of this, or of how entries follow each other, needs another format number. */
export interface BundleIndex {
  /** The digest of the index of the older bundle that this one adds to; null for one that stands alone. */
  readonly since: string | null;
  /** In the order of their entries: an origin before what is made from it. */
  readonly images: readonly BundledImage[];
}

export interface BundledImage {
  readonly uuid: ImageUuid;
  /** The name of the upstream it came from, at the mirror that wrote the bundle. */
  readonly upstream: string;
  readonly manifest: BundledFile;
  readonly files: readonly BundledFile[];
  readonly icon?: BundledFile & { readonly contentType: string };
}

export interface BundledFile {
  /** The entry's name; null where the older bundle has it. */
  readonly name: string | null;
  readonly size: number;
  readonly sha1: Sha1Hex;
  /** 64 hex digits. */
  readonly sha256: string;
}

const FORMAT = 1;
const KIND = 'imgapi-mirror-bundle';
/** Some 25,000 images; the two public servers together have 1,800. */
export const MAX_INDEX_BYTES = 16 * 1024 * 1024;
/** A manifest is some 2 KB. */
export const MAX_MANIFEST_BYTES = 1024 * 1024;
/** What export writes is among these; what it is served as is the mirror's own affair. */
const ICON_TYPE = /^(?:image\/[a-z0-9.+-]{1,64}|application\/octet-stream)$/;

/** A mirror takes none above half of this from an upstream; icons are served from memory. */
const MAX_ICON_BYTES = 1024 * 1024;
/** They are in memory together. */
export const MAX_MANIFESTS_BYTES = 64 * 1024 * 1024;

/** The index's bytes, always the same for the same index. */
export function formatIndex({ since, images }: BundleIndex): Buffer {
  const lines = images.map((image) => `  ${JSON.stringify(inOrder(image))}`);
  const head = `{"kind":${JSON.stringify(KIND)},"format":${FORMAT},"since":${JSON.stringify(since)},"images":[`;
  return Buffer.from(`${head}${lines.length === 0 ? '' : `\n${lines.join(',\n')}\n`}]}\n`);
}

/** @throws MirrorError BundleRefused that says what is wrong with it. */
export function parseIndex(bytes: Buffer): BundleIndex {
  const value = parseJson(bytes.toString('utf8'));
  if (!isJsonObject(value) || value['kind'] !== KIND)
    throw refusedBundle('its first entry is not the index of a bundle');
  const { format, since, images } = value;
  if (format !== FORMAT) {
    const shown = typeof format === 'number' ? format : 'unknown';
    throw refusedBundle(`its format is ${shown}, this program knows ${FORMAT} only`);
  }
  if (since !== null && !isSha256(since)) throw refusedBundle('its index does not say what it adds to');
  if (!Array.isArray(images)) throw refusedBundle('its index lists no images');
  const index = { since, images: images.map((image: unknown, at) => imageOf(image, at)) };
  checkUnique(index.images);
  if (!formatIndex(index).equals(bytes)) throw refusedBundle('its index is not written as this program writes it');
  return index;
}

function imageOf(value: unknown, at: number): BundledImage {
  const where = `image ${at} of its index`;
  if (!isJsonObject(value)) throw refusedBundle(`${where} is no object`);
  const { uuid, upstream, files, icon } = value;
  if (!isImageUuid(uuid)) throw refusedBundle(`${where} has no uuid`);
  if (typeof upstream !== 'string' || upstream.length > 256) throw refusedBundle(`${where} names no upstream`);
  if (!Array.isArray(files)) throw refusedBundle(`${where} has no list of files`);
  const image: BundledImage = {
    uuid,
    upstream,
    manifest: fileOf(value['manifest'], `the manifest of ${where}`),
    files: files.map((file: unknown, index) => fileOf(file, `file ${index} of ${where}`)),
  };
  if (image.manifest.size > MAX_MANIFEST_BYTES) throw refusedBundle(`the manifest of ${where} is too big`);
  // What is unchanged is left out whole; files without their manifest belong to nobody.
  if (image.manifest.name === null && entriesOf({ ...image, ...iconOf(icon, where) }).length > 0) {
    throw refusedBundle(`${where} has files but no manifest`);
  }
  return { ...image, ...iconOf(icon, where) };
}

function iconOf(icon: unknown, where: string): Pick<BundledImage, 'icon'> {
  if (icon === undefined) return {};
  const contentType = isJsonObject(icon) ? icon['contentType'] : undefined;
  if (typeof contentType !== 'string' || !ICON_TYPE.test(contentType)) {
    throw refusedBundle(`the icon of ${where} is no image`);
  }
  const file = fileOf(icon, `the icon of ${where}`);
  if (file.size > MAX_ICON_BYTES) throw refusedBundle(`the icon of ${where} is too big`);
  return { icon: { ...file, contentType } };
}

function fileOf(value: unknown, where: string): BundledFile {
  if (!isJsonObject(value)) throw refusedBundle(`${where} is no object`);
  const { name, size, sha1, sha256 } = value;
  if (name !== null && !isEntryName(name)) throw refusedBundle(`${where} has a name that no entry may have`);
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) throw refusedBundle(`${where} has no size`);
  if (!isSha1Hex(sha1) || !isSha256(sha256)) throw refusedBundle(`${where} lacks a digest`);
  return { name, size, sha1, sha256 };
}

/** The entries of one image, in their order. */
export function entriesOf(image: BundledImage): (BundledFile & { readonly name: string })[] {
  const all = [image.manifest, ...image.files, ...(image.icon === undefined ? [] : [image.icon])];
  return all.flatMap((file) => (file.name === null ? [] : [{ ...file, name: file.name }]));
}

function checkUnique(images: readonly BundledImage[]): void {
  const seen = new Set<string>([INDEX_NAME, SIGNATURE_NAME]);
  const sizes = new Map<Sha1Hex, number>();
  for (const image of images) {
    for (const name of [image.uuid, ...entriesOf(image).map((file) => file.name)]) {
      if (seen.has(name)) throw refusedBundle(`its index lists ${name} twice`);
      seen.add(name);
    }
    for (const { sha1, size } of entriesOf(image)) {
      if ((sizes.get(sha1) ?? size) !== size) throw refusedBundle(`its index gives ${sha1} two sizes`);
      sizes.set(sha1, size);
    }
  }
}

function inOrder({ uuid, upstream, manifest, files, icon }: BundledImage): object {
  return {
    uuid,
    upstream,
    manifest: plain(manifest),
    files: files.map((file) => plain(file)),
    ...(icon === undefined ? {} : { icon: { ...plain(icon), contentType: icon.contentType } }),
  };
}

function plain({ name, size, sha1, sha256 }: BundledFile): BundledFile {
  return { name, size, sha1, sha256 };
}

function isSha256(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
}
