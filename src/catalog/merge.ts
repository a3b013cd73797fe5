/**
 * Several upstreams' lists become one: a uuid belongs to the first upstream that lists it and does not contradict what is
 * remembered of it, for manifest, file and icon alike.
 */
import { comparePositions } from '../imgapi/list-query.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Manifest } from '../imgapi/manifest.ts';
import { relationOf } from '../trust/file-facts.ts';
import type { Remembered } from '../trust/remembered.ts';

/** One upstream's list, as parsed. */
export interface UpstreamList {
  readonly upstream: string;
  readonly manifests: readonly Manifest[];
}

/** One listed image. */
export interface CatalogEntry {
  readonly manifest: Manifest;
  /** The owner: the first upstream in precedence that lists the uuid without contradicting what is remembered of it. */
  readonly upstream: string;
  /** The upstreams that list the uuid with the same files, in precedence order, the owner first. */
  readonly upstreams: readonly string[];
  /**
   * Present where all that list the uuid contradict what is remembered of it: the manifest is the remembered one, `upstream` who
   * said so, and `upstreams` holds that one only if it does not say otherwise now.
   */
  readonly isRemembered?: true;
}

/** An upstream says other SHA-1s or sizes of an image than what is in force. */
export interface Conflict {
  readonly upstream: string;
  /** What it says. */
  readonly manifest: Manifest;
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
  /** At most one per uuid and upstream. */
  readonly conflicts: readonly Conflict[];
  /** Every file of every list, those of conflicts too: their bytes are right for another uuid, maybe. */
  readonly sources: BlobSources;
}

/** What is remembered of an image; see the trust room. */
export type Recall = (uuid: ImageUuid) => Pick<Remembered, 'files' | 'manifest' | 'upstream'> | undefined;

/** An image while the lists are gone through. */
interface Claim {
  readonly uuid: ImageUuid;
  readonly remembered: ReturnType<Recall>;
  owner: { readonly manifest: Manifest; readonly upstream: string } | undefined;
  readonly upstreams: string[];
  /** Who has contradicted it. */
  readonly against: string[];
}

/**
 * Merges lists given in precedence order, one per upstream. Only active images are listed; of a uuid that one upstream lists twice, the first counts.
 * What is remembered of an image beats precedence: who contradicts it does not own it. The same lists and memories give the
 * same result, whatever the order within each.
 */
export function mergeLists(lists: readonly UpstreamList[], recall: Recall = () => undefined): MergeResult {
  const claims = new Map<ImageUuid, Claim>();
  const conflicts: Conflict[] = [];
  const sources = new Map<Sha1Hex, BlobSource[]>();
  for (const { upstream, manifests } of lists) {
    for (const manifest of activeOnce(manifests)) {
      addSources(sources, upstream, manifest);
      const claim = claimOf(claims, manifest.uuid, recall);
      const inForce = claim.owner?.manifest.files ?? claim.remembered?.files;
      const relation = inForce === undefined ? 'same' : relationOf(inForce, manifest.files);
      if (relation === 'contradicts') {
        claim.against.push(upstream);
        conflicts.push({ upstream, manifest });
      } else if (claim.owner === undefined) {
        claim.owner = { manifest, upstream };
        claim.upstreams.push(upstream);
      } else if (relation === 'same') {
        // One that lists files where the owner has none is no contradiction, and no source of the image as it is in force.
        claim.upstreams.push(upstream);
      }
    }
  }
  return {
    entries: [...claims.values()]
      .flatMap((claim) => entryOf(claim) ?? [])
      .toSorted((a, b) => comparePositions(a.manifest, b.manifest)),
    conflicts,
    sources,
  };
}

function claimOf(claims: Map<ImageUuid, Claim>, uuid: ImageUuid, recall: Recall): Claim {
  const known = claims.get(uuid);
  if (known !== undefined) return known;
  const fresh: Claim = { uuid, remembered: recall(uuid), owner: undefined, upstreams: [], against: [] };
  claims.set(uuid, fresh);
  return fresh;
}

/** Undefined where the remembered manifest is not at hand, or is not active any more: neither is listed. */
function entryOf({ remembered, owner, upstreams, against }: Claim): CatalogEntry | undefined {
  if (owner !== undefined) return { ...owner, upstreams };
  if (remembered?.manifest?.state !== 'active') return undefined;
  const { manifest, upstream } = remembered;
  return { manifest, upstream, upstreams: against.includes(upstream) ? [] : [upstream], isRemembered: true };
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
