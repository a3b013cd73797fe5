/** Keeps the manifests of images and of all they rest on, so that a pin holds the whole chain without any upstream. */
import type { KnownImage } from '../catalog/known-images.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ImageIndex } from '../records/image-index.ts';
import type { Keeper } from '../records/keeper.ts';

export interface Chains {
  /** All they rest on, without themselves. */
  readonly origins: readonly ImageUuid[];
  /** Those among the images and their origins that nobody knows. */
  readonly missing: readonly ImageUuid[];
}

/** The chains of origins below some images, as far as they are known. Circles end. */
export function chainsOf(uuids: Iterable<ImageUuid>, known: ReadonlyMap<ImageUuid, KnownImage>): Chains {
  const tops = new Set(uuids);
  const all = new Set(tops);
  const missing: ImageUuid[] = [];
  // A Set is walked to its end, what is added on the way included.
  for (const uuid of all) {
    const image = known.get(uuid);
    if (image === undefined) missing.push(uuid);
    else if (image.manifest.origin !== undefined) all.add(image.manifest.origin);
  }
  return { origins: [...all].filter((uuid) => !tops.has(uuid)), missing };
}

/** Writes down the manifests that are not kept yet. @throws MirrorError InternalError on a storage error */
export async function keepManifests(
  uuids: Iterable<ImageUuid>,
  known: ReadonlyMap<ImageUuid, KnownImage>,
  deps: { readonly index: Pick<ImageIndex, 'get'>; readonly keeper: Pick<Keeper, 'keep'> },
): Promise<void> {
  for (const uuid of uuids) {
    const image = known.get(uuid);
    if (image !== undefined && deps.index.get(uuid) === undefined) await deps.keeper.keep(image);
  }
}
