/** Which blobs go when a person wants images out of the cache, and which images stay after all. PURE. */
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { ImageBlobs } from './eviction-ranking.ts';

/**
 * Why an image stays. `pinned`: by itself; `origin-of-pinned`: a pinned image rests on it; `downloading`, `in-use`: one of
 * its files is on its way, or being read; `has-children`: an image that stays rests on it, and could not be installed
 * without it; `shared`: images that stay have all of its files; `not-removed`: a file of it could not be deleted.
 */
export const KEPT_REASONS = [
  'pinned',
  'origin-of-pinned',
  'downloading',
  'in-use',
  'has-children',
  'shared',
  'not-removed',
] as const;
export type KeptReason = (typeof KEPT_REASONS)[number];

export interface KeptImage {
  readonly uuid: ImageUuid;
  readonly reason: KeptReason;
  /** The image that is why; undefined where it is the image itself. */
  readonly because: ImageUuid | undefined;
}

/** An image that can go. */
export interface GoingImage {
  readonly uuid: ImageUuid;
  /** What no image that stays has too: its files first, then its icon. A blob that several have goes with the last of them. */
  readonly blobs: readonly Sha1Hex[];
}

export interface ImageEvictionFacts {
  /** It is stored. */
  readonly has: (sha1: Sha1Hex) => boolean;
  readonly heldBy: (uuid: ImageUuid) => ImageUuid | undefined;
  readonly isPinned: (sha1: Sha1Hex) => boolean;
  readonly isOpen: (sha1: Sha1Hex) => boolean;
  readonly isRunning: (sha1: Sha1Hex) => boolean;
}

/**
 * @param selected what the person named
 * @param images all that are kept, the selected ones among them or not
 * @returns `going` in the order to go in: whatever rests on an image before it
 */
export function planImageEviction(
  selected: readonly ImageBlobs[],
  images: readonly ImageBlobs[],
  facts: ImageEvictionFacts,
): { readonly going: readonly GoingImage[]; readonly kept: readonly KeptImage[] } {
  const byUuid = new Map([...selected, ...images].map((image) => [image.uuid, image]));
  const isCached = ({ files }: ImageBlobs): boolean => files.some(facts.has);
  const below = (image: ImageBlobs): ImageUuid[] => originsOf(image, byUuid);
  const kept: KeptImage[] = [];
  const going = new Map<ImageUuid, ImageBlobs>();
  for (const { uuid } of selected) {
    const image = byUuid.get(uuid);
    if (image === undefined || going.has(uuid) || !isCached(image)) continue;
    const busy = whyBusy(image, facts);
    if (busy === undefined) going.set(uuid, image);
    else kept.push(busy);
  }
  /** The stored blobs of images that stay, each with one of them. */
  const keepers = new Map<Sha1Hex, ImageUuid>();
  const isKeptBlob = (sha1: Sha1Hex): boolean => keepers.has(sha1) || facts.isPinned(sha1);
  const staying = [...byUuid.values()].filter((image) => !going.has(image.uuid) && isCached(image));
  const stay = (image: ImageBlobs, reason: KeptReason, because: ImageUuid | undefined): void => {
    going.delete(image.uuid);
    kept.push({ uuid: image.uuid, reason, because });
    staying.push(image);
  };
  const owners = new Map<Sha1Hex, ImageBlobs[]>();
  for (const image of going.values()) {
    for (const sha1 of image.files) owners.set(sha1, [...(owners.get(sha1) ?? []), image]);
  }
  const stayIfShared = (image: ImageBlobs): void => {
    if (!going.has(image.uuid) || !image.files.filter(facts.has).every(isKeptBlob)) return;
    const keeper = image.files.map((sha1) => keepers.get(sha1)).find((uuid) => uuid !== undefined);
    stay(image, 'shared', keeper);
  };
  // A file may be pinned by another image alone; that one need not be among these.
  for (const image of going.values()) stayIfShared(image);
  // Each one that stays may keep others: what it rests on, and whose files it has. The list grows on the way.
  for (const image of staying) {
    const fresh = blobsOf(image).filter((sha1) => !keepers.has(sha1));
    for (const sha1 of fresh) keepers.set(sha1, image.uuid);
    for (const uuid of below(image)) {
      const origin = going.get(uuid);
      if (origin !== undefined) stay(origin, 'has-children', image.uuid);
    }
    for (const sha1 of fresh) for (const owner of owners.get(sha1) ?? []) stayIfShared(owner);
  }
  const inOrder = childrenFirst([...going.values()], below);
  /** How many of those that are going have a blob. */
  const users = new Map<Sha1Hex, number>();
  for (const image of inOrder) for (const sha1 of blobsOf(image)) users.set(sha1, (users.get(sha1) ?? 0) + 1);
  const result = inOrder.map((image): GoingImage => {
    const blobs = blobsOf(image).filter((sha1) => {
      const left = (users.get(sha1) ?? 1) - 1;
      users.set(sha1, left);
      return left === 0 && facts.has(sha1) && !isKeptBlob(sha1);
    });
    return { uuid: image.uuid, blobs };
  });
  return { going: result, kept };
}

function whyBusy({ uuid, files }: ImageBlobs, facts: ImageEvictionFacts): KeptImage | undefined {
  const holder = facts.heldBy(uuid);
  if (holder === uuid) return { uuid, reason: 'pinned', because: undefined };
  if (holder !== undefined) return { uuid, reason: 'origin-of-pinned', because: holder };
  if (files.some(facts.isRunning)) return { uuid, reason: 'downloading', because: undefined };
  return files.some(facts.isOpen) ? { uuid, reason: 'in-use', because: undefined } : undefined;
}

/** The chain below an image, the nearest first, whether anything of it is stored or not. */
function originsOf(image: ImageBlobs, byUuid: ReadonlyMap<ImageUuid, ImageBlobs>): ImageUuid[] {
  const chain = new Set<ImageUuid>([image.uuid]);
  let { origin } = image;
  while (origin !== undefined && !chain.has(origin)) {
    chain.add(origin);
    origin = byUuid.get(origin)?.origin;
  }
  return [...chain].slice(1);
}

/** The longest chains first: an image's is longer than its origin's. Of a circle any one may be first. */
function childrenFirst(
  images: readonly ImageBlobs[],
  below: (image: ImageBlobs) => readonly ImageUuid[],
): ImageBlobs[] {
  return images
    .map((image) => ({ image, depth: below(image).length }))
    .toSorted((a, b) => b.depth - a.depth)
    .map(({ image }) => image);
}

function blobsOf({ files, icon }: ImageBlobs): readonly Sha1Hex[] {
  return [...new Set(icon === undefined ? files : [...files, icon])];
}
