/** What an import will do, found out without changing anything. */
import type { BlobStore } from '../blobs/store.ts';
import { IMPORTED } from '../config/reserved-names.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ImageFile, Manifest } from '../imgapi/manifest.ts';
import type { KeptManifest, KeptManifests } from '../records/kept-manifests.ts';
import { relationOf } from '../trust/file-facts.ts';
import type { BundledFile, BundledImage } from './bundle-index.ts';
import type { ContentEntry, OpenBundle } from './read-bundle.ts';

export interface ImportPlan {
  /** Contents that are to be stored, each blob once. */
  readonly toStore: readonly ContentEntry[];
  /** The other contents, which are here already or twice in the bundle; they are checked like the rest. */
  readonly toCheck: readonly ContentEntry[];
  /** What is to be kept of images once all contents are stored. */
  readonly toKeep: readonly KeptManifest[];
  /** Blobs that are here and must be so still when the images appear. */
  readonly needed: readonly Pick<BundledFile, 'sha1' | 'size'>[];
}

export interface PlanImportDeps {
  readonly blobs: Pick<BlobStore, 'facts'>;
  readonly kept: Pick<KeptManifests, 'get'>;
  /** The files that are remembered of an image; undefined for one that was never seen. */
  readonly remembered: (uuid: ImageUuid) => readonly ImageFile[] | undefined;
  /** ms since the epoch. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/**
 * @throws MirrorError Conflict if the bundle contradicts what is remembered of an image, PreconditionFailedError if it
 * adds to an older bundle that was not imported.
 */
export async function planImport(bundle: OpenBundle, deps: PlanImportDeps): Promise<ImportPlan> {
  const toStore: ContentEntry[] = [];
  const toCheck: ContentEntry[] = [];
  const toKeep: KeptManifest[] = [];
  const needed: BundledFile[] = [];
  const planned = new Set<Sha1Hex>();
  for (const entry of bundle.contents) {
    deps.signal.throwIfAborted();
    const { sha1, size } = entry.file;
    // Files without bytes are served without being stored.
    const isHere = size === 0 || (await deps.blobs.facts(sha1, size)) !== undefined;
    if (isHere || planned.has(sha1)) toCheck.push(entry);
    else toStore.push(entry);
    if (isHere && size > 0) needed.push(entry.file);
    planned.add(sha1);
  }
  for (const image of bundle.index.images) {
    deps.signal.throwIfAborted();
    const manifest = bundle.manifests.get(image.uuid);
    // Not changed since the older bundle.
    if (manifest === undefined) continue;
    needed.push(...(await olderFiles(image, deps, bundle.index.since)));
    toKeep.push(await keptOf(image, manifest, deps));
  }
  return { toStore, toCheck, toKeep, needed };
}

/** The files of a changed image that the older bundle has brought. */
async function olderFiles(
  image: BundledImage,
  { blobs }: PlanImportDeps,
  since: string | null,
): Promise<BundledFile[]> {
  const found: BundledFile[] = [];
  for (const file of image.files) {
    if (file.name !== null || file.size === 0) continue;
    if ((await blobs.facts(file.sha1, file.size)) === undefined) {
      throw new MirrorError(
        'PreconditionFailedError',
        `this bundle only adds to an older one (${since?.slice(0, 12) ?? 'unknown'}), and file ${file.sha1} of image ${image.uuid}, which that one brought, is not here: import the older one first`,
      );
    }
    found.push(file);
  }
  return found;
}

/**
 * It is kept as imported even where it came from an upstream before, which may have dropped it since: what was carried here is to be
 * listed. An upstream that does list it has precedence all the same.
 */
async function keptOf(image: BundledImage, manifest: Manifest, deps: PlanImportDeps): Promise<KeptManifest> {
  const before = await deps.kept.get(image.uuid);
  const known = deps.remembered(image.uuid) ?? filesOf(before);
  if (known !== undefined && relationOf(known, manifest.files) === 'contradicts') {
    throw new MirrorError(
      'Conflict',
      `the bundle has other files for image ${image.uuid} than are remembered of it here: nothing of the bundle was imported`,
    );
  }
  const icon = image.icon === undefined ? before?.icon : iconOf(image.icon);
  return {
    upstream: IMPORTED,
    fetchedAt: new Date(deps.now()).toISOString(),
    manifest: manifest.json,
    ...(icon === undefined ? {} : { icon }),
  };
}

function iconOf({ sha1, size, contentType }: NonNullable<BundledImage['icon']>): NonNullable<KeptManifest['icon']> {
  return { sha1, size, contentType };
}

function filesOf(kept: KeptManifest | undefined): readonly ImageFile[] | undefined {
  const files: unknown = kept?.manifest['files'];
  return Array.isArray(files) ? (files as readonly ImageFile[]) : undefined;
}
