/** What an export will write: the index of the selected images, and what it takes for each entry. */
import { createHash } from 'node:crypto';
import type { BlobFacts, BlobStore } from '../blobs/store.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { iconTypeOf } from '../imgapi/icon-type.ts';
import { sha1Of } from '../imgapi/ids.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import {
  formatIndex,
  MAX_INDEX_BYTES,
  MAX_MANIFEST_BYTES,
  MAX_MANIFESTS_BYTES,
  type BundledFile,
  type BundledImage,
  type BundleIndex,
} from './bundle-index.ts';
import { entryNamesOf } from './entry-names.ts';
import { wrongField } from './refused.ts';

/** An image that was selected for a bundle. */
export interface ExportImage {
  readonly uuid: ImageUuid;
  /** The name of the upstream it came from. */
  readonly upstream: string;
  readonly manifest: ManifestJson;
  /** The manifest as its upstream wrote it: what a bundle holds. */
  readonly manifestText: string;
  readonly origin: ImageUuid | undefined;
  readonly files: readonly { readonly sha1: Sha1Hex; readonly size: number }[];
  readonly icon: { readonly sha1: Sha1Hex; readonly size: number; readonly contentType: string } | undefined;
}

export interface ExportPlan {
  readonly index: BundleIndex;
  readonly indexBytes: Buffer;
  /** SHA-256 of them: the bundle's name. */
  readonly id: string;
  /** The manifests that are in it, by the names of their entries. */
  readonly manifests: ReadonlyMap<string, Buffer>;
}

/** Named in a message; the others are counted. */
const NAMED_IMAGES = 5;

/**
 * Reads nothing but the store's sidecars.
 * @param older the bundle this one adds to.
 * @throws MirrorError PreconditionFailedError if an image is not cached, whole: it is not the export that fetches it.
 */
export async function planExport(
  blobs: Pick<BlobStore, 'facts'>,
  images: readonly ExportImage[],
  older: { readonly id: string; readonly index: BundleIndex } | undefined,
): Promise<ExportPlan> {
  const manifests = new Map<string, Buffer>();
  const bundled: BundledImage[] = [];
  const missing: ExportImage[] = [];
  const olderImages = new Map(older?.index.images.map((image) => [image.uuid, image]));
  let manifestBytes = 0;
  for (const image of originsFirst(images)) {
    const full = await bundledImage(blobs, image);
    if (full === undefined) {
      missing.push(image);
      continue;
    }
    const part = withoutOlder(full, olderImages.get(image.uuid));
    bundled.push(part);
    if (part.manifest.name === null) continue;
    const text = Buffer.from(image.manifestText);
    manifestBytes += text.length;
    if (text.length > MAX_MANIFEST_BYTES) throw wrongField('selectors', `the manifest of ${image.uuid} is too big`);
    manifests.set(part.manifest.name, text);
  }
  if (missing.length > 0) throw notCached(missing);
  const index = { since: older?.id ?? null, images: bundled };
  const indexBytes = formatIndex(index);
  if (indexBytes.length > MAX_INDEX_BYTES || manifestBytes > MAX_MANIFESTS_BYTES) {
    throw wrongField('selectors', `${images.length} images are too many for one bundle: select fewer at a time`);
  }
  return { index, indexBytes, id: sha256Of(indexBytes), manifests };
}

/** Undefined if not all of its files are stored. */
async function bundledImage(blobs: Pick<BlobStore, 'facts'>, image: ExportImage): Promise<BundledImage | undefined> {
  const { uuid, upstream, icon } = image;
  const names = entryNamesOf(uuid, image.manifest);
  const files: BundledFile[] = [];
  for (const [at, { sha1, size }] of image.files.entries()) {
    const facts = size === 0 ? emptyFacts(sha1) : await blobs.facts(sha1, size);
    if (facts === undefined) return undefined;
    files.push({ name: names.file(at), size, sha1, sha256: facts.sha256 });
  }
  const text = Buffer.from(image.manifestText);
  const manifest = { name: names.manifest, size: text.length, sha1: sha1Of(text), sha256: sha256Of(text) };
  // An icon that is not stored is no reason to leave its image behind.
  const iconFacts = icon === undefined ? undefined : await blobs.facts(icon.sha1, icon.size);
  if (icon === undefined || iconFacts === undefined) return { uuid, upstream, manifest, files };
  const { sha1, size } = icon;
  const contentType = iconTypeOf(icon.contentType);
  return {
    uuid,
    upstream,
    manifest,
    files,
    icon: { name: names.icon(contentType), size, sha1, sha256: iconFacts.sha256, contentType },
  };
}

/** Files without bytes are not stored: nobody needs to ask for them. */
function emptyFacts(sha1: Sha1Hex): Pick<BlobFacts, 'sha256'> | undefined {
  return sha1 === sha1Of(Buffer.alloc(0)) ? { sha256: sha256Of(Buffer.alloc(0)) } : undefined;
}

/** The image without what the older bundle has of it; an image that has not changed at all leaves no entry. */
function withoutOlder(image: BundledImage, older: BundledImage | undefined): BundledImage {
  if (older === undefined) return image;
  const isOld = ({ sha256 }: BundledFile): boolean =>
    [older.manifest, ...older.files, ...(older.icon === undefined ? [] : [older.icon])].some(
      (file) => file.sha256 === sha256,
    );
  const isUnchanged = [image.manifest, ...image.files, ...(image.icon === undefined ? [] : [image.icon])].every(isOld);
  const part = <File extends BundledFile>(file: File): File => (isOld(file) ? { ...file, name: null } : file);
  return {
    ...image,
    manifest: isUnchanged ? { ...image.manifest, name: null } : image.manifest,
    files: image.files.map(part),
    ...(image.icon === undefined ? {} : { icon: part(image.icon) }),
  };
}

/** By uuid, but an origin before what is made from it: whoever installs in this order needs nothing twice. */
function originsFirst(images: readonly ExportImage[]): ExportImage[] {
  const byUuid = new Map(images.map((image) => [image.uuid, image]));
  const ordered = new Set<ExportImage>();
  const uuids = [...byUuid.keys()].toSorted();
  for (const uuid of uuids) {
    const chain: ExportImage[] = [];
    let image = byUuid.get(uuid);
    while (image !== undefined && !ordered.has(image) && !chain.includes(image)) {
      chain.push(image);
      image = image.origin === undefined ? undefined : byUuid.get(image.origin);
    }
    for (const each of chain.toReversed()) ordered.add(each);
  }
  return [...ordered];
}

function notCached(images: readonly ExportImage[]): MirrorError {
  const named = images.slice(0, NAMED_IMAGES).map(({ uuid, manifest: { name, version } }) => {
    return `${uuid} (${String(name)} ${String(version)})`;
  });
  const more = images.length > NAMED_IMAGES ? ` and ${images.length - NAMED_IMAGES} more` : '';
  const them = images.length === 1 ? 'it' : 'them';
  return new MirrorError(
    'PreconditionFailedError',
    `not cached, so not to be exported: ${named.join(', ')}${more}; \`imgapi-mirror prefetch\` fetches ${them}`,
  );
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
