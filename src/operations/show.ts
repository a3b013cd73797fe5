/** `show`: all that is known of one image. */
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { isImageUuid } from '../imgapi/ids.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import { UUID_START } from '../selector/selector.ts';
import type { TrustConflict } from '../trust/conflict.ts';
import { labelOf, type ImageLabel } from './image-label.ts';
import { describeImage, lastUseOf, type ListDeps, type ListedImage } from './list.ts';
import type { Operation } from './operation.ts';

export interface ShownImage extends ListedImage {
  readonly manifest: ManifestJson;
  readonly files: readonly ShownFile[];
  /** What it rests on, the nearest first; the last one may be unknown here. */
  readonly origins: readonly {
    readonly uuid: ImageUuid;
    readonly name: string;
    readonly version: string;
    readonly known: boolean;
    readonly cached: boolean;
  }[];
  /** The known images that rest on it themselves, in the order of lists. */
  readonly children: readonly (ImageLabel & { readonly cached: boolean })[];
  /** What is remembered of it, and what upstreams say in place of that; null if none does. */
  readonly contradiction: TrustConflict | null;
}

export interface ShownFile {
  readonly sha1: Sha1Hex;
  readonly size: number;
  readonly stored: boolean;
  /** Bytes on disk of its running download; null if none runs. */
  readonly received: number | null;
  /** ISO 8601; null if it is not stored, was never used, or nobody remembers. */
  readonly lastUsedAt: string | null;
  /** The upstreams that list it, in the order of precedence. */
  readonly upstreams: readonly string[];
}

export interface ShowDeps extends ListDeps {
  readonly known: KnownImages;
  readonly isStored: (sha1: Sha1Hex) => boolean;
  readonly progressOf: (sha1: Sha1Hex) => number | undefined;
  readonly contradictionOf: (uuid: ImageUuid) => TrustConflict | undefined;
}

/** Longer chains than any real one; a circle ends here. */
const MAX_ORIGINS = 64;

export function createShow(deps: ShowDeps): Operation<{ readonly uuid: string }, ShownImage> {
  function originsOf(image: KnownImage, images: readonly KnownImage[]): ShownImage['origins'] {
    const byUuid = new Map(images.map((known) => [known.manifest.uuid, known]));
    const origins: ShownImage['origins'][number][] = [];
    let next = image.manifest.origin;
    while (next !== undefined && origins.length < MAX_ORIGINS && !origins.some(({ uuid }) => uuid === next)) {
      const origin = byUuid.get(next);
      if (origin === undefined) {
        origins.push({ uuid: next, name: '', version: '', known: false, cached: false });
        break;
      }
      const { uuid, name, version, cached } = describeImage(origin, deps.facts, undefined);
      origins.push({ uuid, name, version, known: true, cached });
      next = origin.manifest.origin;
    }
    return origins;
  }

  function childrenOf({ manifest: { uuid } }: KnownImage, images: readonly KnownImage[]): ShownImage['children'] {
    return images
      .filter(({ manifest }) => manifest.origin === uuid)
      .map((child) => Object.assign({ cached: deps.facts.isCached(child) }, labelOf(child)));
  }

  /** The beginning of a uuid is looked for among the known images; a whole one at the upstreams too. */
  async function find(uuid: string): Promise<KnownImage> {
    if (isImageUuid(uuid)) return deps.selection.one(uuid);
    if (!UUID_START.test(uuid)) {
      const message = `${JSON.stringify(uuid)} is no uuid, nor the first 8 digits or more of one`;
      throw new MirrorError('ValidationFailed', message);
    }
    const { images } = await deps.selection.some([uuid]);
    const [image] = images;
    if (image === undefined) throw new MirrorError('NothingSelected', `no image has a uuid that begins with ${uuid}`);
    return image;
  }

  return {
    async run({ uuid }) {
      const lower = uuid.toLowerCase();
      const image = await find(lower);
      const { images } = await deps.known.all();
      const files = image.manifest.files.map(async ({ sha1, size }): Promise<ShownFile> => {
        const stored = deps.isStored(sha1);
        const usedAtMs = stored ? await deps.lastUse(sha1) : undefined;
        return {
          sha1,
          size,
          stored,
          received: deps.progressOf(sha1) ?? null,
          lastUsedAt: usedAtMs === undefined ? null : new Date(usedAtMs).toISOString(),
          upstreams: image.upstreams,
        };
      });
      return {
        ...describeImage(
          image,
          deps.facts,
          deps.facts.isCached(image) ? await lastUseOf(image, deps.lastUse) : undefined,
        ),
        files: await Promise.all(files),
        origins: originsOf(image, images),
        children: childrenOf(image, images),
        contradiction: deps.contradictionOf(image.manifest.uuid) ?? null,
        manifest: image.manifest.json,
      };
    },
  };
}
