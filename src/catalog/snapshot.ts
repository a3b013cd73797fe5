/**
 * The catalog at one moment: immutable, replaced whole by the next refresh. Images are serialized once per API version; every list
 * is put together from those bytes, never serialized per request.
 */
import { manifestEtag, manifestText } from '../imgapi/manifest.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Manifest } from '../imgapi/manifest.ts';
import type { ApiVersion } from '../imgapi/versions.ts';
import type { BlobSource, BlobSources, CatalogEntry } from './merge.ts';

/** The answer to `GET /images/:uuid`. */
export interface ManifestBody {
  readonly body: Buffer;
  /** Unquoted, as the real server sends it. */
  readonly etag: string;
}

export interface Snapshot {
  /** All images, sorted by (published_at, uuid). */
  readonly entries: readonly CatalogEntry[];
  /** How many. */
  readonly size: number;
  get(uuid: ImageUuid): CatalogEntry | undefined;
  /** Where a blob can be had from, in precedence order; empty if no list names it. */
  sourcesOf(sha1: Sha1Hex): readonly BlobSource[];
  /** The JSON of some of its entries, the same bytes as `JSON.stringify(manifests, null, 2)`. */
  listText(entries: readonly CatalogEntry[], version: ApiVersion): Buffer;
  /** The JSON of all entries: the same Buffer every time, so that what is made of it (a compressed copy) can be kept by it. */
  fullList(version: ApiVersion): Buffer;
  /** One manifest's body and Etag, made once; also of an image that is in no list. */
  manifestBody(entry: { readonly manifest: Manifest }, version: ApiVersion): ManifestBody;
}

/** One API version's list bytes, made when first asked for. */
interface Rendering {
  /** Every entry as it stands within a list. */
  pieces: ReadonlyMap<CatalogEntry, Buffer> | undefined;
  fullList: Buffer | undefined;
}

const LIST_START = Buffer.from('[\n  ');
const LIST_SEPARATOR = Buffer.from(',\n  ');
const LIST_END = Buffer.from('\n]');

/**
 * Takes the entries of `mergeLists`.
 * @param sources where blobs can be had from: give the merge's. They know the precedence of all upstreams and the files that lost a
 *   conflict; without them each entry's own upstreams serve, in the order of the entries.
 */
export function createSnapshot(
  entries: readonly CatalogEntry[],
  sources: BlobSources = sourcesOfEntries(entries),
): Snapshot {
  const byUuid = new Map(entries.map((entry) => [entry.manifest.uuid, entry]));
  const bodies = { 1: new WeakMap<Manifest, ManifestBody>(), 2: new WeakMap<Manifest, ManifestBody>() };
  const v2 = newRendering();
  // The versions differ in `channels` alone: where no manifest has any, they share the bytes of lists.
  const v1 = entries.some(({ manifest }) => 'channels' in manifest.json) ? newRendering() : v2;
  const renderingOf = (version: ApiVersion): Rendering => (version === 1 ? v1 : v2);

  function joined(listed: readonly CatalogEntry[], version: ApiVersion): Buffer {
    const rendering = renderingOf(version);
    rendering.pieces ??= new Map(entries.map((entry) => [entry, renderPiece(entry, version)]));
    return joinPieces(listed, rendering.pieces, version);
  }

  function fullList(version: ApiVersion): Buffer {
    const rendering = renderingOf(version);
    rendering.fullList ??= joined(entries, version);
    return rendering.fullList;
  }

  function manifestBody({ manifest }: { readonly manifest: Manifest }, version: ApiVersion): ManifestBody {
    const known = bodies[version].get(manifest);
    if (known !== undefined) return known;
    const made = { body: Buffer.from(manifestText(manifest, version)), etag: manifestEtag(manifest, version) };
    bodies[version].set(manifest, made);
    return made;
  }

  return Object.freeze({
    entries,
    size: entries.length,
    get: (uuid) => byUuid.get(uuid),
    sourcesOf: (sha1) => sources.get(sha1) ?? [],
    listText: (listed, version) => (listed === entries ? fullList(version) : joined(listed, version)),
    fullList,
    manifestBody,
  } satisfies Snapshot);
}

/** An entry for an image that is in no list, looked up at one upstream. */
export function createEntry(manifest: Manifest, upstream: string): CatalogEntry {
  return { manifest, upstream, upstreams: [upstream] };
}

function newRendering(): Rendering {
  return { pieces: undefined, fullList: undefined };
}

/** An entry's lines, one level deeper. A JSON string holds no raw line break, so each one found here starts a line. */
function renderPiece({ manifest }: CatalogEntry, version: ApiVersion): Buffer {
  return Buffer.from(manifestText(manifest, version).replaceAll('\n', '\n  '));
}

function joinPieces(
  entries: readonly CatalogEntry[],
  pieces: ReadonlyMap<CatalogEntry, Buffer>,
  version: ApiVersion,
): Buffer {
  if (entries.length === 0) return Buffer.from('[]');
  const parts: Buffer[] = [];
  for (const entry of entries) {
    parts.push(parts.length === 0 ? LIST_START : LIST_SEPARATOR, pieces.get(entry) ?? renderPiece(entry, version));
  }
  parts.push(LIST_END);
  return Buffer.concat(parts);
}

function sourcesOfEntries(entries: readonly CatalogEntry[]): BlobSources {
  const sources = new Map<Sha1Hex, BlobSource[]>();
  for (const { manifest, upstreams } of entries) {
    for (const [index, { sha1 }] of manifest.files.entries()) {
      const found = upstreams.map((upstream) => ({ upstream, uuid: manifest.uuid, index }));
      sources.set(sha1, [...(sources.get(sha1) ?? []), ...found]);
    }
  }
  return sources;
}
