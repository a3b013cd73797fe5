/**
 * `evict`: removes the files of images now. What is pinned stays, and so does whatever an image that stays rests on: to
 * take out an origin, name its children too.
 */
import type { ImageBlobs } from '../blobs/eviction-ranking.ts';
import type { ImageEvictor } from '../blobs/image-eviction.ts';
import type { KeptReason } from '../blobs/image-eviction-plan.ts';
import type { KnownImage } from '../catalog/known-images.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ImageIndex } from '../records/image-index.ts';
import { labelOf, type ImageLabel } from './image-label.ts';
import type { Operation } from './operation.ts';
import type { Selection } from './selection.ts';

export interface EvictInput {
  readonly selectors: readonly string[];
  readonly dryRun?: boolean;
}

export interface EvictedLabel extends ImageLabel {
  /** Bytes of the disk that are free by it. */
  readonly bytes: number;
}

export interface KeptLabel extends ImageLabel {
  readonly reason: KeptReason;
  /** The image that is why, where it is another. */
  readonly because: ImageUuid | null;
}

export interface EvictResult {
  readonly dryRun: boolean;
  /** In the order they went: a child before its origin. */
  readonly evicted: readonly EvictedLabel[];
  /** Cached, selected, and still here. */
  readonly kept: readonly KeptLabel[];
  /** How many of the selected have no file here. */
  readonly notCached: number;
  /** Bytes of the disk that are free by all of them. */
  readonly bytes: number;
  readonly warnings: readonly string[];
}

export interface EvictDeps {
  readonly selection: Pick<Selection, 'all'>;
  readonly evictImages: ImageEvictor;
  readonly index: Pick<ImageIndex, 'get'>;
}

/** @throws MirrorError ValidationFailed (a wrong selector, or none), InternalError (it cannot be told which images are here) */
export function createEvict(deps: EvictDeps): Operation<EvictInput, EvictResult> {
  return {
    async run({ selectors, dryRun = false }, { signal }) {
      // `all` takes no selector for everything; a slip must not empty the cache.
      if (selectors.length === 0) {
        const errors = [{ field: 'selectors', code: 'MissingParameter' as const, message: 'is empty' }];
        throw new MirrorError('ValidationFailed', 'selectors is empty', { errors });
      }
      const { images, warnings } = await deps.selection.all(selectors);
      const labels = new Map(images.map((image) => [image.manifest.uuid, labelOf(image)]));
      const label = (uuid: ImageUuid): ImageLabel => labels.get(uuid) ?? { uuid, name: '', version: '' };
      const { evicted, kept } = await deps.evictImages(
        images.map((image) => deps.index.get(image.manifest.uuid) ?? blobsOf(image)),
        { dryRun, signal },
      );
      const goneLabels = evicted.map(({ uuid, bytes }): EvictedLabel => Object.assign({ bytes }, label(uuid)));
      const keptLabels = kept.map(({ uuid, reason, because }): KeptLabel =>
        Object.assign({ reason, because: because ?? null }, label(uuid)),
      );
      return {
        dryRun,
        evicted: goneLabels,
        kept: keptLabels,
        notCached: images.length - evicted.length - kept.length,
        bytes: evicted.reduce((sum, { bytes }) => sum + bytes, 0),
        warnings,
      };
    },
  };
}

/** Of an image that is not kept: its files may be here as another's. */
function blobsOf({ manifest: { uuid, origin, files } }: KnownImage): ImageBlobs {
  return { uuid, origin, files: files.map(({ sha1 }) => sha1), icon: undefined };
}
