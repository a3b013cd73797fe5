/**
 * Fetches what a plan says: through the registry of downloads, so that a client who wants the same file joins. Several
 * files at one time, an image after its origin. A stop leaves partials, and the next run goes on with them.
 */
import { randomUUID } from 'node:crypto';
import type { KnownImage } from '../catalog/known-images.ts';
import type { Log } from '../config/log.ts';
import type { Downloads, ObtainedBlob } from '../downloads/registry.ts';
import type { DownloadSource } from '../downloads/wanted.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import type { Keeper } from '../records/keeper.ts';
import { orAborted } from './or-aborted.ts';
import type { PlannedFile, PlannedImage, PrefetchPlan } from './plan.ts';

/** One image that is through. */
export interface PrefetchedImage {
  readonly image: KnownImage;
  /** `already`: nothing of it was missing. */
  readonly result: 'fetched' | 'already' | 'failed';
  /** Why it failed. */
  readonly reason: string | undefined;
}

export interface PrefetchProgress {
  /** A file that is on its way: bytes on disk. */
  onFile(image: KnownImage, file: PlannedFile, received: number): void;
  onImage(image: PrefetchedImage): void;
  /** All that was to be fetched: bytes on disk, those of files that failed left out. */
  onTotal(received: number, files: number): void;
}

export interface PrefetchRunnerDeps {
  readonly downloads: Pick<Downloads, 'obtain' | 'progressOf' | 'running'>;
  /** Where a file of an image can be had; may be none. */
  readonly sourcesOf: (image: KnownImage, index: number) => readonly DownloadSource[];
  readonly keeper: Pick<Keeper, 'onServed'>;
  readonly log: Log;
}

export interface PrefetchRunnerOptions {
  /** Files at one time. */
  readonly concurrency: number;
  /** How often progress is told, ms. Default 500. */
  readonly progressMs?: number;
}

interface Task {
  readonly of: Work;
  readonly file: PlannedFile;
}

/** One image on its way. */
interface Work {
  /** Its place in the plan. */
  readonly order: number;
  readonly planned: PlannedImage;
  /** Files that are not through. */
  left: number;
  reason: string | undefined;
}

/**
 * Resolves when every image is through, with those that failed among them. Rejects with the reason of `signal` when that
 * aborts, once all is let go of.
 */
export async function runPrefetch(
  plan: PrefetchPlan,
  deps: PrefetchRunnerDeps,
  options: PrefetchRunnerOptions,
  signal: AbortSignal,
  progress: PrefetchProgress,
): Promise<readonly PrefetchedImage[]> {
  const works = new Map<ImageUuid, Work>(
    plan.images.map((planned, order) => [
      planned.image.manifest.uuid,
      { order, planned, left: planned.files.length, reason: undefined },
    ]),
  );
  const queue: Task[] = [...works.values()].flatMap((of) => of.planned.files.map((file) => ({ of, file })));
  const running = new Map<Task, { written: number }>();
  const failedBlobs = new Map<Sha1Hex, string>();
  let storedBytes = 0;
  let storedFiles = 0;
  let onChange = Promise.withResolvers<void>();

  /** The first in the plan whose origin is through: a chain is there from below before others begin. */
  function next(): Task | undefined {
    const at = queue.findIndex(({ of }) => {
      const { origin } = of.planned.image.manifest;
      const below = origin === undefined ? undefined : works.get(origin);
      // An origin comes later only in a circle, which the plan has broken somewhere.
      return below === undefined || below.left === 0 || below.order >= of.order;
    });
    return at < 0 ? undefined : queue.splice(at, 1)[0];
  }

  async function fetch(task: Task): Promise<void> {
    const { of, file } = task;
    const { manifest } = of.planned.image;
    try {
      await fetchFile(of.planned.image, file);
      storedBytes += file.size;
      storedFiles += 1;
      progress.onFile(of.planned.image, file, file.size);
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      of.reason ??= reason;
      failedBlobs.set(file.sha1, reason);
      deps.log.warn({ err: error, uuid: manifest.uuid, sha1: file.sha1 }, 'a file could not be prefetched');
    } finally {
      of.left -= 1;
      running.delete(task);
      onChange.resolve();
    }
  }

  async function fetchFile(image: KnownImage, file: PlannedFile): Promise<void> {
    const { sha1, size } = file;
    const sources = deps.sourcesOf(image, file.index);
    const requestId = randomUUID();
    const blob = await deps.downloads.obtain({ sha1, size, sources, requestId, priority: 'prefetch' });
    try {
      deps.keeper.onServed(image, sha1, blob.stored);
      await untilStored(blob, file, signal);
    } finally {
      await blob.source.close();
      if (signal.aborted) giveUp(sha1);
    }
  }

  /** A prefetch that nobody follows any more; one that a client has joined goes on as its own downloads do. */
  function giveUp(sha1: Sha1Hex): void {
    for (const download of deps.downloads.running) {
      const isOurs = download.wanted.sha1 === sha1 && download.priority === 'prefetch';
      if (isOurs && download.followers === 0) {
        download.abort(new MirrorError('DownloadFailed', 'the prefetch was stopped'));
      }
    }
  }

  function tell(): void {
    let received = storedBytes;
    for (const [{ of, file }, at] of running) {
      at.written = deps.downloads.progressOf(file.sha1) ?? at.written;
      received += at.written;
      progress.onFile(of.planned.image, file, at.written);
    }
    progress.onTotal(received, storedFiles);
  }

  const timer = setInterval(tell, options.progressMs ?? 500);
  const onAbort = (): void => onChange.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  const ends: PrefetchedImage[] = [];
  const open = new Set(works.values());

  /** Tells of images that are through, in the order of the plan as far as it goes. */
  function settle(): void {
    for (const work of open) {
      if (work.left > 0) continue;
      const { image, files, waitsForShared } = work.planned;
      const shared = image.manifest.files.map(({ sha1 }) => sha1);
      if (waitsForShared && isAwaited(shared)) continue;
      const reason = work.reason ?? shared.map((sha1) => failedBlobs.get(sha1)).find((why) => why !== undefined);
      const hasFetched = files.length > 0 || waitsForShared;
      const result = reason !== undefined ? 'failed' : hasFetched ? 'fetched' : 'already';
      // It was wanted again: what is there already counts as used, and its manifest is kept.
      if (result !== 'failed') for (const sha1 of shared) deps.keeper.onServed(image, sha1, Promise.resolve(true));
      const end = { image, result, reason } as const;
      open.delete(work);
      ends.push(end);
      progress.onImage(end);
    }
  }

  function isAwaited(blobs: readonly Sha1Hex[]): boolean {
    return (
      queue.some(({ file }) => blobs.includes(file.sha1)) ||
      [...running.keys()].some(({ file }) => blobs.includes(file.sha1))
    );
  }

  const fetches = new Set<Promise<void>>();
  try {
    for (;;) {
      settle();
      for (let task = signal.aborted ? undefined : takeNext(); task !== undefined; task = takeNext()) {
        running.set(task, { written: 0 });
        const one = fetch(task);
        fetches.add(one);
        void one.finally(() => fetches.delete(one));
      }
      if (running.size === 0) break;
      await onChange.promise;
      onChange = Promise.withResolvers();
      if (signal.aborted) break;
    }
    await Promise.all(fetches);
    signal.throwIfAborted();
    tell();
    return ends;
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', onAbort);
  }

  function takeNext(): Task | undefined {
    return running.size < options.concurrency ? next() : undefined;
  }
}

/** Throws why it is not stored in the end. The bytes are not read: that the last one may be is enough. */
async function untilStored(blob: ObtainedBlob, { sha1, size }: PlannedFile, signal: AbortSignal): Promise<void> {
  await orAborted(blob.headers, signal);
  await blob.source.ready(size - 1, signal);
  if (await orAborted(blob.stored, signal)) return;
  throw new MirrorError('StorageFailed', `file ${sha1} could not be kept`);
}
