/** `downloads`: what is being fetched right now. */
import type { Downloads } from '../downloads/registry.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ImageLabel } from './image-label.ts';
import type { Operation } from './operation.ts';

export interface RunningDownload {
  readonly sha1: string;
  /** The image it was first asked for, of all that may have the file. */
  readonly image: ImageLabel | null;
  /** Bytes of the whole file, and how many of them are on disk. */
  readonly size: number;
  readonly received: number;
  /** Responses and prefetches that read it. */
  readonly followers: number;
  readonly priority: 'demand' | 'prefetch';
}

export interface DownloadsResult {
  readonly downloads: readonly RunningDownload[];
}

/** What is known of an image without a wait; undefined: nothing. */
export type Labels = (uuid: ImageUuid) => ImageLabel | undefined;

export function createDownloadsList(
  downloads: Pick<Downloads, 'running'>,
  labels: Labels,
): Operation<object, DownloadsResult> {
  return { run: async () => ({ downloads: describeDownloads(downloads, labels) }) };
}

export function describeDownloads({ running }: Pick<Downloads, 'running'>, labels: Labels): readonly RunningDownload[] {
  return Array.from(running, ({ wanted, written, followers, priority }) => {
    const uuid = wanted.sources[0]?.uuid;
    return {
      sha1: wanted.sha1,
      image: uuid === undefined ? null : (labels(uuid) ?? { uuid, name: '', version: '' }),
      size: wanted.size,
      received: written,
      followers,
      priority,
    };
  });
}
