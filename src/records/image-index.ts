/** Which blobs make up each kept image, in memory: eviction asks at every turn, and the files would be read every time. */
import type { ImageBlobs } from '../blobs/eviction-ranking.ts';
import { isJsonObject } from '../blobs/json-file.ts';
import { isImageUuid, isSha1Hex } from '../imgapi/ids.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { KeptManifest, RemovableManifests } from './kept-manifests.ts';

export interface ImageIndex {
  /** The manifests, through this index: what is kept by another way it does not see. */
  readonly kept: RemovableManifests;
  /** Read from the disk once. @throws MirrorError InternalError if the directory cannot be listed */
  images(): Promise<readonly ImageBlobs[]>;
  /** What is known of one without a wait: nothing before `images` has resolved once, but for what was kept since. */
  get(uuid: ImageUuid): ImageBlobs | undefined;
  /** Grows with each change of any of them. */
  readonly changes: number;
}

export function createImageIndex(kept: RemovableManifests): ImageIndex {
  const byUuid = new Map<ImageUuid, ImageBlobs>();
  /** Removed while the directory was being read. */
  let removed: Set<ImageUuid> | undefined = new Set();
  let loading: Promise<void> | undefined;
  let changes = 0;

  const load = async (): Promise<void> => {
    for await (const one of kept.all()) {
      const image = blobsOf(one);
      if (image !== undefined && !byUuid.has(image.uuid) && removed?.has(image.uuid) !== true)
        byUuid.set(image.uuid, image);
    }
    removed = undefined;
    changes += 1;
  };

  return {
    kept: {
      get: (uuid) => kept.get(uuid),
      all: () => kept.all(),
      async put(one) {
        await kept.put(one);
        const image = blobsOf(one);
        if (image === undefined) return;
        byUuid.set(image.uuid, image);
        changes += 1;
      },
      async remove(uuid, isUnwanted) {
        const isRemoved = await kept.remove(uuid, isUnwanted);
        if (!isRemoved) return false;
        byUuid.delete(uuid);
        removed?.add(uuid);
        changes += 1;
        return true;
      },
    },
    async images() {
      loading ??= load();
      try {
        await loading;
      } catch (error) {
        // Next time it is read again.
        loading = undefined;
        throw error;
      }
      return [...byUuid.values()];
    },
    get: (uuid) => byUuid.get(uuid),
    get changes() {
      return changes;
    },
  };
}

/** Undefined for what is no image's manifest. */
function blobsOf({ manifest, icon }: KeptManifest): ImageBlobs | undefined {
  const { uuid, origin, files } = manifest;
  if (!isImageUuid(uuid)) return undefined;
  const sha1s: Sha1Hex[] = [];
  for (const file of Array.isArray(files) ? files : []) {
    if (isJsonObject(file) && isSha1Hex(file['sha1'])) sha1s.push(file['sha1']);
  }
  return { uuid, origin: isImageUuid(origin) ? origin : undefined, files: sha1s, icon: icon?.sha1 };
}
