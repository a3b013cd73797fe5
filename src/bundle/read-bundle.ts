/**
 * Opens a bundle and checks everything in it but the contents of its images' files: index, signature, every header and
 * every filler byte, sizes, manifests. What others may have put into an archive is not interpreted: each byte must be the
 * one that the index asks for.
 */
import { createHash, type KeyObject } from 'node:crypto';
import { parseJson } from '../blobs/json-file.ts';
import { sha1Of } from '../imgapi/ids.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import {
  MAX_INDEX_BYTES,
  MAX_MANIFESTS_BYTES,
  parseIndex,
  type BundledImage,
  type BundleIndex,
} from './bundle-index.ts';
import { layoutOf, SIGNATURE_BYTES, type BundleEntry, type BundleLayout } from './bundle-layout.ts';
import { INDEX_NAME, SIGNATURE_NAME } from './entry-names.ts';
import { refusedBundle } from './refused.ts';
import { isSignedBy } from './signing.ts';
import { BLOCK_BYTES, describeHeader, END_BYTES, padded, tarHeader } from './tar-header.ts';
import { openVolumes, type OpenVolumes } from './volumes.ts';

/** `unchecked`: there is one, and no key to check it with. */
export type SignatureState = 'none' | 'unchecked' | 'trusted';

/** A bundle whose contents remain to be hashed. The caller closes `volumes`. */
export interface OpenBundle {
  readonly index: BundleIndex;
  /** SHA-256 of the index's bytes: the name of a bundle. */
  readonly id: string;
  readonly layout: BundleLayout;
  /** The entries that are no manifests: files and icons, in their order. */
  readonly contents: readonly ContentEntry[];
  /** Of every image that is not left out as unchanged. */
  readonly manifests: ReadonlyMap<ImageUuid, Manifest>;
  readonly signature: SignatureState;
  readonly volumes: OpenVolumes;
}

export type ContentEntry = BundleEntry &
  Required<{ readonly [Key in 'file' | 'image']: NonNullable<BundleEntry[Key]> }>;

interface Head {
  readonly index: BundleIndex;
  readonly bytes: Buffer;
  readonly id: string;
}

/**
 * @throws MirrorError BundleRefused that says why the bundle is refused; with `trusted`, also where it is not signed by
 * that key.
 */
export async function openBundle(
  path: string,
  trusted: KeyObject | undefined,
  signal: AbortSignal,
): Promise<OpenBundle> {
  const volumes = await openVolumes(path);
  try {
    const head = await readHead(volumes);
    const { isSigned, signature } = await checkSignature(volumes, head, trusted);
    const layout = layoutOf(head.index, head.bytes.length, isSigned);
    for (const entry of layout.entries) {
      signal.throwIfAborted();
      await checkFrame(volumes, entry);
    }
    await checkEnd(volumes, layout);
    const manifests = await readManifests(volumes, layout, signal);
    const contents = layout.entries.filter(isContent);
    return { index: head.index, id: head.id, layout, contents, manifests, signature, volumes };
  } catch (error) {
    await volumes.close();
    throw error;
  }
}

/** Only the index of a bundle, for one that is to add to it. `field` is blamed if there is none. */
export async function readBundleIndex(path: string, field: string): Promise<Omit<Head, 'bytes'>> {
  const volumes = await openVolumes(path, field);
  try {
    const { index, id } = await readHead(volumes);
    return { index, id };
  } finally {
    await volumes.close();
  }
}

async function readHead(volumes: OpenVolumes): Promise<Head> {
  const header = Buffer.alloc(BLOCK_BYTES);
  await volumes.read(header, 0, BLOCK_BYTES);
  const size = Number.parseInt(header.toString('latin1', 124, 135), 8);
  // Its own size is the only thing a header is asked for, and then only where nothing else in it can differ.
  const isOurs = Number.isSafeInteger(size) && size >= 0 && tarHeader(INDEX_NAME, size).equals(header);
  if (!isOurs) throw refusedBundle(`it does not begin with the index of a bundle: ${describeHeader(header)}`);
  if (size > MAX_INDEX_BYTES) throw refusedBundle(`its index is bigger than ${MAX_INDEX_BYTES} bytes`);
  const bytes = Buffer.alloc(size);
  await volumes.read(bytes, BLOCK_BYTES, size);
  return { index: parseIndex(bytes), bytes, id: createHash('sha256').update(bytes).digest('hex') };
}

async function checkSignature(
  volumes: OpenVolumes,
  { bytes }: Head,
  trusted: KeyObject | undefined,
): Promise<{ readonly isSigned: boolean; readonly signature: SignatureState }> {
  const offset = BLOCK_BYTES + padded(bytes.length);
  const header = Buffer.alloc(BLOCK_BYTES);
  await volumes.read(header, offset, BLOCK_BYTES);
  if (!tarHeader(SIGNATURE_NAME, SIGNATURE_BYTES).equals(header)) {
    if (trusted !== undefined) throw refusedBundle('it is not signed, and a key to trust was given');
    return { isSigned: false, signature: 'none' };
  }
  if (trusted === undefined) return { isSigned: true, signature: 'unchecked' };
  const signature = Buffer.alloc(SIGNATURE_BYTES);
  await volumes.read(signature, offset + BLOCK_BYTES, SIGNATURE_BYTES);
  if (!isSignedBy(trusted, bytes, signature)) throw refusedBundle('it is not signed by the key to trust');
  return { isSigned: true, signature: 'trusted' };
}

/** The header of an entry and the zeros behind its contents. */
async function checkFrame(volumes: OpenVolumes, entry: BundleEntry): Promise<void> {
  const header = Buffer.alloc(entry.header.length);
  if (volumes.totalBytes < entry.dataOffset) throw cutShort(volumes);
  await volumes.read(header, entry.offset, header.length);
  if (!header.equals(entry.header)) {
    throw refusedBundle(`${entry.name} is due at byte ${entry.offset}, but ${describeHeader(header)}`);
  }
  const fillFrom = entry.dataOffset + entry.size;
  const filler = Buffer.alloc(entry.endOffset - fillFrom);
  if (volumes.totalBytes < entry.endOffset) throw cutShort(volumes);
  await volumes.read(filler, fillFrom, filler.length);
  if (filler.some((byte) => byte !== 0))
    throw refusedBundle(`something is hidden behind the contents of ${entry.name}`);
}

async function checkEnd(volumes: OpenVolumes, { totalBytes }: BundleLayout): Promise<void> {
  if (volumes.totalBytes < totalBytes) throw cutShort(volumes);
  const end = Buffer.alloc(END_BYTES);
  await volumes.read(end, totalBytes - END_BYTES, END_BYTES);
  if (end.some((byte) => byte !== 0)) {
    throw refusedBundle(`its index lists no more entries, but ${describeHeader(end.subarray(0, BLOCK_BYTES))}`);
  }
  const surplus = volumes.totalBytes - totalBytes;
  if (surplus > 0) throw refusedBundle(`${surplus} bytes follow after its end`);
}

function cutShort({ volumes, totalBytes }: OpenVolumes): Error {
  const where = volumes.length === 1 ? '' : ` with its ${volumes.length} volumes; is the next one missing?`;
  return refusedBundle(`it is cut short: it ends at byte ${totalBytes}${where}`);
}

async function readManifests(
  volumes: OpenVolumes,
  { entries }: BundleLayout,
  signal: AbortSignal,
): Promise<Map<ImageUuid, Manifest>> {
  const manifests = new Map<ImageUuid, Manifest>();
  let bytes = 0;
  for (const { file, image, size, dataOffset, name } of entries) {
    if (file === undefined || image === undefined || name !== image.manifest.name) continue;
    signal.throwIfAborted();
    bytes += size;
    if (bytes > MAX_MANIFESTS_BYTES) throw refusedBundle('its manifests are too big');
    const text = Buffer.alloc(size);
    await volumes.read(text, dataOffset, size);
    const sha256 = createHash('sha256').update(text).digest('hex');
    if (sha1Of(text) !== file.sha1 || sha256 !== file.sha256) throw refusedBundle(`${name} is damaged`);
    manifests.set(image.uuid, manifestOf(text, image, name));
  }
  return manifests;
}

function manifestOf(text: Buffer, image: BundledImage, name: string): Manifest {
  // An image may be in a mirror before it is activated; it has no date then.
  const parsed = parseManifest(parseJson(text.toString('utf8')), { requirePublished: false });
  if (!parsed.ok) throw refusedBundle(`${name}: ${parsed.problem}`);
  const { manifest } = parsed;
  if (manifest.uuid !== image.uuid) throw refusedBundle(`${name} names ${manifest.uuid}, the index says ${image.uuid}`);
  const isSame =
    manifest.files.length === image.files.length &&
    manifest.files.every(({ sha1, size }, at) => sha1 === image.files[at]?.sha1 && size === image.files[at]?.size);
  if (!isSame) throw refusedBundle(`${name} names other files than the index does`);
  return manifest;
}

function isContent(entry: BundleEntry): entry is ContentEntry {
  return entry.file !== undefined && entry.image !== undefined && entry.name !== entry.image.manifest.name;
}
