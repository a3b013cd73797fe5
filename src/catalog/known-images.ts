/** Every image the mirror knows of: those the upstreams list, and those that are kept although no list has them any more. */
import type { ImageBlobs } from '../blobs/eviction-ranking.ts';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import type { ImageIndex } from '../records/image-index.ts';
import type { Facts } from '../selector/match.ts';
import type { Selector } from '../selector/selector.ts';
import type { Catalog, CatalogView } from './catalog.ts';

export interface KnownImage {
  readonly manifest: Manifest;
  /** The upstream its manifest is from. */
  readonly upstream: string;
  /** All that have the same files, in precedence order. */
  readonly upstreams: readonly string[];
  /** False if it is only kept: no list has it. */
  readonly isListed: boolean;
}

export interface KnownSet {
  /** Each once; the listed ones first, in the order of lists. */
  readonly images: readonly KnownImage[];
  /** False if an upstream's list was never had, or not lately: then more images may be there than are known. */
  readonly isComplete: boolean;
}

export interface KnownImages {
  /**
   * Waits for the first lists like `Catalog.view`; without any, the kept images are all that is known.
   * @param channel as `Catalog.view`; `*` costs a list per upstream that has channels, the first time
   * @throws MirrorError InternalError if the kept manifests cannot be read
   */
  all(channel?: '*'): Promise<KnownSet>;
}

export interface KnownImagesDeps {
  readonly catalog: Pick<Catalog, 'view'>;
  readonly index: ImageIndex;
  readonly log: Log;
}

export function createKnownImages({ catalog, index, log }: KnownImagesDeps): KnownImages {
  /** Parsed once for as long as the same manifest is kept. */
  const parsed = new WeakMap<ImageBlobs, KnownImage>();

  async function viewOf(channel: '*' | undefined): Promise<CatalogView | undefined> {
    try {
      return await catalog.view(channel);
    } catch (error) {
      if (!(error instanceof MirrorError) || error.statusCode < 500) throw error;
      // No upstream has given a list yet: what is kept is known all the same.
      log.debug({ err: error }, 'only kept images are known');
      return undefined;
    }
  }

  async function keptImage(blobs: ImageBlobs): Promise<KnownImage | undefined> {
    const known = parsed.get(blobs);
    if (known !== undefined) return known;
    const kept = await index.kept.get(blobs.uuid);
    const result = kept === undefined ? undefined : parseManifest(kept.manifest, { requirePublished: false });
    if (kept === undefined || result?.ok !== true) return undefined;
    const { upstream } = kept;
    const image = { manifest: result.manifest, upstream, upstreams: [upstream], isListed: false };
    parsed.set(blobs, image);
    return image;
  }

  return {
    async all(channel) {
      const view = await viewOf(channel);
      const images: KnownImage[] = [];
      for (const { manifest, upstream, upstreams } of view?.snapshot.entries ?? []) {
        images.push({ manifest, upstream, upstreams, isListed: true });
      }
      for (const blobs of await index.images()) {
        if (view?.snapshot.get(blobs.uuid) !== undefined) continue;
        const image = await keptImage(blobs);
        if (image !== undefined) images.push(image);
      }
      return { images, isComplete: view !== undefined && !view.isStale };
    },
  };
}

/** Which images selectors are about: `*` where one asks for a channel, as the default list may not have it. */
export function channelFor(selectors: readonly Selector[]): '*' | undefined {
  const asks = selectors.some(({ terms }) => terms.some((term) => term.kind === 'text' && term.key === 'channel'));
  return asks ? '*' : undefined;
}

/** What selectors ask of known images. `hasBlob` is right once the store is scanned. */
export function createImageFacts(deps: {
  readonly hasBlob: (sha1: Sha1Hex) => boolean;
  readonly isPinned: (uuid: ImageUuid) => boolean;
  readonly isContradicted: (uuid: ImageUuid) => boolean;
}): Facts<KnownImage> {
  return {
    // An image without files has nothing that could be cached; a file of no bytes needs no blob.
    isCached: ({ manifest: { files } }) =>
      files.length > 0 && files.every(({ sha1, size }) => size === 0 || deps.hasBlob(sha1)),
    isPinned: ({ manifest }) => deps.isPinned(manifest.uuid),
    isContradicted: ({ manifest }) => deps.isContradicted(manifest.uuid),
    isListed: ({ isListed }) => isListed,
    upstreamsOf: ({ upstreams }) => upstreams,
    channelsOf: ({ manifest }) => manifest.channels ?? [],
  };
}
