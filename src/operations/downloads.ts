/** `downloads`: what is being fetched right now. */
import type { Downloads } from '../downloads/registry.ts';
import type { Operation } from './operation.ts';

export interface RunningDownload {
  readonly sha1: string;
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

export function createDownloadsList(downloads: Pick<Downloads, 'running'>): Operation<object, DownloadsResult> {
  return { run: async () => ({ downloads: describeDownloads(downloads) }) };
}

export function describeDownloads({ running }: Pick<Downloads, 'running'>): readonly RunningDownload[] {
  return Array.from(running, ({ wanted, written, followers, priority }) => ({
    sha1: wanted.sha1,
    size: wanted.size,
    received: written,
    followers,
    priority,
  }));
}
