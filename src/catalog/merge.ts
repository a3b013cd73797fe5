/**
 * Several upstreams' lists become one: a uuid belongs to the first upstream that lists it, for manifest, file and icon alike.
 */
import { comparePositions } from '../imgapi/list-query.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Manifest } from '../imgapi/manifest.ts';

/** One upstream's list, as parsed. */
export interface UpstreamList {
  readonly upstream: string;
  readonly manifests: readonly Manifest[];
}

/** One listed image. */
export interface CatalogEntry {
  readonly manifest: Manifest;
  /** The owner: the first upstream in precedence that lists the uuid. */
  readonly upstream: string;
  /** The upstreams that list the uuid with the same SHA-1s, in precedence order, the owner first. */
  readonly upstreams: readonly string[];
}

/** Two upstreams that disagree on the SHA-1 of a file of one uuid; the first in precedence is kept. */
export interface Conflict {
  readonly uuid: ImageUuid;
  readonly kept: { readonly upstream: string; readonly sha1: Sha1Hex };
  readonly dropped: { readonly upstream: string; readonly sha1: Sha1Hex };
}

/** A place a blob can be had from: `GET /images/<uuid>/file?index=<index>` at that upstream. */
export interface BlobSource {
  readonly upstream: string;
  readonly uuid: ImageUuid;
  readonly index: number;
}

/** Where each blob can be had from, in precedence order of the upstreams. */
export type BlobSources = ReadonlyMap<Sha1Hex, readonly BlobSource[]>;

export interface MergeResult {
  /** Sorted by (published_at as time, uuid): the order of every list. */
  readonly entries: readonly CatalogEntry[];
  /** At most one per uuid and dropped upstream. */
  readonly conflicts: readonly Conflict[];
  /** Every file of every list, the dropped side of a conflict too: its bytes are right for another uuid, maybe. */
  readonly sources: BlobSources;
}

/**
 * Merges lists given in precedence order, one per upstream. Only active images are listed; of a uuid that one upstream lists twice, the first counts.
 * The same lists give the same result, whatever the order within each.
 */
export function mergeLists(lists: readonly UpstreamList[]): MergeResult {
  const byUuid = new Map<ImageUuid, { manifest: Manifest; upstream: string; upstreams: string[] }>();
  const conflicts: Conflict[] = [];
  const sources = new Map<Sha1Hex, BlobSource[]>();
  for (const { upstream, manifests } of lists) {
    for (const manifest of activeOnce(manifests)) {
      addSources(sources, upstream, manifest);
      const owned = byUuid.get(manifest.uuid);
      if (owned === undefined) {
        byUuid.set(manifest.uuid, { manifest, upstream, upstreams: [upstream] });
      } else if (hasSameFiles(owned.manifest, manifest)) {
        owned.upstreams.push(upstream);
      } else {
        conflicts.push(...conflictOf(owned.upstream, owned.manifest, upstream, manifest));
      }
    }
  }
  return {
    entries: [...byUuid.values()].toSorted((a, b) => comparePositions(a.manifest, b.manifest)),
    conflicts,
    sources,
  };
}

/** One list's active images, each uuid once, in the order of lists. */
function activeOnce(manifests: readonly Manifest[]): Manifest[] {
  const byUuid = new Map<ImageUuid, Manifest>();
  for (const manifest of manifests) {
    if (manifest.state === 'active' && !byUuid.has(manifest.uuid)) byUuid.set(manifest.uuid, manifest);
  }
  return [...byUuid.values()].toSorted(comparePositions);
}

/** Adds an upstream's files to the sources of their blobs. The lists come in precedence order, so each blob's sources do. */
function addSources(sources: Map<Sha1Hex, BlobSource[]>, upstream: string, { uuid, files }: Manifest): void {
  for (const [index, { sha1 }] of files.entries()) {
    const known = sources.get(sha1);
    const source = { upstream, uuid, index };
    if (known === undefined) sources.set(sha1, [source]);
    else known.push(source);
  }
}

function hasSameFiles(a: Manifest, b: Manifest): boolean {
  return a.files.length === b.files.length && a.files.every((file, index) => file.sha1 === b.files[index]?.sha1);
}

/**
 * The first file two manifests of one uuid disagree on. None if one of them only lists more files: that is no contradiction, though
 * the lower one is no source for the whole image.
 */
function conflictOf(keptUpstream: string, kept: Manifest, droppedUpstream: string, dropped: Manifest): Conflict[] {
  for (const [index, { sha1 }] of kept.files.entries()) {
    const other = dropped.files[index]?.sha1;
    if (other === undefined || other === sha1) continue;
    return [
      {
        uuid: kept.uuid,
        kept: { upstream: keptUpstream, sha1 },
        dropped: { upstream: droppedUpstream, sha1: other },
      },
    ];
  }
  return [];
}
