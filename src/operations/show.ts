/** `show`: all that is known of one image. */
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { isImageUuid } from '../imgapi/ids.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import type { TrustConflict } from '../trust/conflict.ts';
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
  /** What is remembered of it, and what upstreams say in place of that; null if none does. */
  readonly contradiction: TrustConflict | null;
}

export interface ShownFile {
  readonly sha1: Sha1Hex;
  readonly size: number;
  readonly stored: boolean;
  /** Bytes on disk of its running download; null if none runs. */
  readonly received: number | null;
  /** ISO 8601; null if it was never used, or nobody remembers. */
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
  async function originsOf(image: KnownImage): Promise<ShownImage['origins']> {
    const { images } = await deps.known.all();
    const byUuid = new Map(images.map((known) => [known.manifest.uuid, known]));
    const origins: ShownImage['origins'][number][] = [];
    let next = image.manifest.origin;
    while (next !== undefined && origins.length < MAX_ORIGINS && !origins.some(({ uuid }) => uuid === next)) {
      const origin = byUuid.get(next);
      if (origin === undefined) {
        origins.push({ uuid: next, name: '', version: '', known: false, cached: false });
        break;
      }
      const { uuid, name, version, cached } = describeImage(origin, deps.facts, new Set(), undefined);
      origins.push({ uuid, name, version, known: true, cached });
      next = origin.manifest.origin;
    }
    return origins;
  }

  return {
    async run({ uuid }) {
      const lower = uuid.toLowerCase();
      if (!isImageUuid(lower)) throw new MirrorError('ValidationFailed', `${JSON.stringify(uuid)} is no uuid`);
      const image = await deps.selection.one(lower);
      const files = image.manifest.files.map(async ({ sha1, size }): Promise<ShownFile> => {
        const usedAtMs = await deps.lastUse(sha1);
        return {
          sha1,
          size,
          stored: deps.isStored(sha1),
          received: deps.progressOf(sha1) ?? null,
          lastUsedAt: usedAtMs === undefined ? null : new Date(usedAtMs).toISOString(),
          upstreams: image.upstreams,
        };
      });
      return {
        ...describeImage(image, deps.facts, deps.conflicts(), await lastUseOf(image, deps.lastUse)),
        files: await Promise.all(files),
        origins: await originsOf(image),
        contradiction: deps.contradictionOf(image.manifest.uuid) ?? null,
        manifest: image.manifest.json,
      };
    },
  };
}
