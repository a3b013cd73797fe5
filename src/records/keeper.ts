/** Notes what is served: when a blob was last used, and, once it is stored, the manifest that makes it an image again. */
import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Manifest } from '../imgapi/manifest.ts';
import { keptUpstream, type KeptManifests } from './kept-manifests.ts';
import type { Records } from './records.ts';

export interface ServedImage {
  readonly manifest: Manifest;
  /** The name of the upstream the manifest came from. */
  readonly upstream: string;
}

export interface Keeper {
  /** `stored` tells in the end whether the blob is on disk; the manifest is kept only then. Never throws, never waits. */
  onServed(image: ServedImage, sha1: Sha1Hex, stored: Promise<boolean>): void;
  /** Keeps an image's manifest now, whether anything of it is stored or not. @throws MirrorError InternalError */
  keep(image: ServedImage): Promise<void>;
  /** The image's manifest is about to be removed: it is kept again when it is next served. */
  forget(uuid: ImageUuid): void;
  /** Resolves when nothing is being written any more. */
  close(): Promise<void>;
}

export interface KeeperDeps {
  readonly kept: KeptManifests;
  readonly records: Records;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** Manifests known to be kept as they are: a hit then costs no read. */
const MAX_KNOWN = 10_000;

export function createKeeper(deps: KeeperDeps): Keeper {
  const known = new LRUCache<string, Manifest>({ max: MAX_KNOWN });
  const running = new Map<string, Promise<void>>();

  async function keep({ manifest, upstream }: ServedImage): Promise<void> {
    const before = await deps.kept.get(manifest.uuid);
    const fetchedAt = new Date(deps.now()).toISOString();
    const icon = before?.icon === undefined ? {} : { icon: before.icon };
    await deps.kept.put({ upstream: keptUpstream(before, upstream), fetchedAt, manifest: manifest.json, ...icon });
    known.set(manifest.uuid, manifest);
  }

  async function keepOnceStored(image: ServedImage, stored: Promise<boolean>): Promise<void> {
    if (!(await stored)) return;
    try {
      await keep(image);
    } catch (error) {
      // The blob is served all the same; the next hit tries again.
      deps.log.error({ err: error, uuid: image.manifest.uuid }, 'a manifest could not be kept');
    }
  }

  return {
    onServed(image, sha1, stored) {
      deps.records.lastUse.touch(sha1, deps.now());
      const { uuid } = image.manifest;
      // One task for an image, however many clients wait for its blob; if it fails, the next hit begins another.
      if (known.get(uuid) === image.manifest || running.has(uuid)) return;
      running.set(
        uuid,
        keepOnceStored(image, stored).finally(() => running.delete(uuid)),
      );
    },
    keep,
    forget: (uuid) => void known.delete(uuid),
    async close() {
      await Promise.all(running.values());
    },
  };
}
