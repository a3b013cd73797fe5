/**
 * Which uuids are origins of images we know: a client that installs such an image asks for them next, so their look-ups
 * are no guesses and are outside the look-up budget.
 */
import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import type { Snapshot } from './snapshot.ts';

export interface KnownOrigins {
  /** Remembers the origin of an image that is in no list. */
  note(manifest: Manifest): void;
  /** True if an image of these snapshots, or one that was noted, names it. */
  has(uuid: ImageUuid, snapshots: readonly (Snapshot | undefined)[]): boolean;
  /** True if a manifest kept by an earlier run names it. Reads them all, once. */
  isKept(uuid: ImageUuid): Promise<boolean>;
}

/** Far more than a site has images that are in no list. */
const MAX_NOTED = 10_000;

export function createKnownOrigins(deps: { readonly kept: KeptManifests; readonly log: Log }): KnownOrigins {
  const noted = new LRUCache<ImageUuid, true>({ max: MAX_NOTED });
  /** Snapshots are immutable: each is gone through once. */
  const bySnapshot = new WeakMap<Snapshot, ReadonlySet<ImageUuid>>();
  let kept: Promise<ReadonlySet<ImageUuid>> | undefined;

  function originsOf(snapshot: Snapshot): ReadonlySet<ImageUuid> {
    const known = bySnapshot.get(snapshot);
    if (known !== undefined) return known;
    const found = new Set<ImageUuid>();
    for (const { manifest } of snapshot.entries) if (manifest.origin !== undefined) found.add(manifest.origin);
    bySnapshot.set(snapshot, found);
    return found;
  }

  async function readKept(): Promise<ReadonlySet<ImageUuid>> {
    const found = new Set<ImageUuid>();
    try {
      for await (const { manifest } of deps.kept.all()) {
        const parsed = parseManifest(manifest, { requirePublished: false });
        if (parsed.ok && parsed.manifest.origin !== undefined) found.add(parsed.manifest.origin);
      }
    } catch (error) {
      // Their look-ups stay within the budget then, which is no loss unless somebody floods us just now.
      deps.log.warn({ err: error }, 'origins of kept images are not known');
    }
    return found;
  }

  return {
    note(manifest) {
      if (manifest.origin !== undefined) noted.set(manifest.origin, true);
    },
    has: (uuid, snapshots) =>
      noted.has(uuid) || snapshots.some((snapshot) => snapshot !== undefined && originsOf(snapshot).has(uuid)),
    async isKept(uuid) {
      kept ??= readKept();
      return (await kept).has(uuid);
    },
  };
}
