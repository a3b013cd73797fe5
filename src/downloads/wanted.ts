/** What a request wants of the downloads room: a blob, and who may have it. */
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Priority } from '../upstream/urgency.ts';

/** One place a blob can be had: a file of an image at an upstream. */
export interface DownloadSource {
  readonly upstream: Upstream;
  readonly uuid: ImageUuid;
  readonly index: number;
  readonly channel: string | undefined;
}

export interface WantedBlob {
  readonly sha1: Sha1Hex;
  /** Bytes, as the manifest says. */
  readonly size: number;
  /** In the order to be tried; at least one. */
  readonly sources: readonly DownloadSource[];
  /** The request that wants it; sent upstream if it starts the download. */
  readonly requestId: string;
  /**
   * Default `demand`. A `prefetch` has slots of its own and the bandwidth that demand leaves, until a demand joins it. It
   * is never passed through: without room on disk it fails.
   */
  readonly priority?: Priority;
}
