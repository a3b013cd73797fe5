/**
 * An image manifest as the mirror sees it: the JSON its upstream wrote, untouched, beside the few facts the mirror needs of it.
 */
import type { ImageUuid, Sha1Hex } from './ids.ts';
import type { PublishedAt } from './published-at.ts';

/** A manifest as parsed from its upstream's JSON: every field, in its order. Never changed, only serialized again. */
export type ManifestJson = Readonly<Record<string, unknown>>;

/** One entry of a manifest's `files`. */
export interface ImageFile {
  readonly sha1: Sha1Hex;
  /** Bytes as transferred (compressed). */
  readonly size: number;
}

/** A checked manifest. Built only by `parseManifest`. */
export interface Manifest {
  readonly uuid: ImageUuid;
  readonly publishedAt: PublishedAt;
  /** `active`, `disabled`, `unactivated`, ... as the upstream says. */
  readonly state: string;
  readonly files: readonly ImageFile[];
  readonly origin: ImageUuid | undefined;
  /** The channels the image is in; undefined where its upstream has no channels. */
  readonly channels: readonly string[] | undefined;
  /** True if the image has an icon. */
  readonly hasIcon: boolean;
  readonly json: ManifestJson;
}
