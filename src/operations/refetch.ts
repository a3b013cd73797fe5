/**
 * Fetches blobs anew that have rotted, one at a time, so that the next client finds them. It goes after whatever clients
 * want. A blob that no source has is asked for again later and later, and then left to the next client who wants it; so is
 * an icon, which has no name of its own upstream.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleepFor } from 'node:timers/promises';
import type { ImageBlobs } from '../blobs/eviction-ranking.ts';
import type { Sleep } from '../blobs/scrub.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Resolver } from '../catalog/resolve.ts';
import type { Log } from '../config/log.ts';
import { fileSources, type SourceFeed } from '../downloads/file-sources.ts';
import type { Downloads } from '../downloads/registry.ts';
import type { WantedBlob } from '../downloads/wanted.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';

/** How a try ended. `left`: nothing here can fetch it, the next client who wants it will. */
export const REFETCH_RESULTS = ['stored', 'failed', 'left'] as const;

export interface RefetchEnd {
  readonly result: (typeof REFETCH_RESULTS)[number];
  /** Why it is not stored. */
  readonly reason: string | undefined;
}

export interface Refetcher {
  /** Resolves after the first try, and never rejects; further ones follow by themselves. One that waits is not queued twice. */
  refetch(sha1: Sha1Hex): Promise<RefetchEnd>;
  /** Stops waiting; what is being fetched ends with the downloads. */
  close(): Promise<void>;
}

export interface RefetcherDeps {
  /** The images that are kept, by which a blob's name upstream is found. */
  readonly images: () => Promise<readonly ImageBlobs[]>;
  readonly isStored: (sha1: Sha1Hex) => boolean;
  readonly resolver: Pick<Resolver, 'resolve'>;
  readonly catalog: Pick<Catalog, 'peek'> & { feeds(): readonly SourceFeed[] };
  readonly downloads: Pick<Downloads, 'obtain'>;
  /** After each try. Never throws. */
  readonly onEnd: (end: RefetchEnd) => void;
  readonly log: Log;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  readonly sleep?: Sleep;
}

interface Waiting {
  readonly sha1: Sha1Hex;
  readonly first: PromiseWithResolvers<RefetchEnd>;
  tries: number;
  /** By the monotonic clock. */
  dueAtMs: number;
}

/** Between the tries; after the last one it is given up. */
const PAUSES_MS = [60_000, 10 * 60_000, 3_600_000, 6 * 3_600_000, 24 * 3_600_000];
const MAX_WAITING = 1_000;

export function createRefetcher(deps: RefetcherDeps): Refetcher {
  const { log, monotonicNow } = deps;
  const sleep: Sleep = deps.sleep ?? (async (ms, signal) => sleepFor(ms, undefined, { signal, ref: false }));
  const waiting = new Map<Sha1Hex, Waiting>();
  const stopping = new AbortController();
  const stopped = Promise.withResolvers<RefetchEnd>();
  let woken = new AbortController();
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    try {
      while (waiting.size > 0 && !stopping.signal.aborted) {
        const [next] = [...waiting.values()].toSorted((a, b) => a.dueAtMs - b.dueAtMs);
        if (next === undefined) return;
        const pauseMs = next.dueAtMs - monotonicNow();
        if (pauseMs <= 0) await tryOnce(next);
        else await pause(pauseMs);
      }
    } finally {
      // In the same turn as the last look: who comes now begins anew.
      working = undefined;
    }
  }

  /** Until then, or until something new has come. */
  async function pause(ms: number): Promise<void> {
    woken = new AbortController();
    try {
      await sleep(ms, AbortSignal.any([stopping.signal, woken.signal]));
    } catch {
      // Woken: the queue is looked at again.
    }
  }

  async function tryOnce(blob: Waiting): Promise<void> {
    const { sha1 } = blob;
    const fetched = fetchOnce(sha1).catch((error: unknown): RefetchEnd => ({ result: 'failed', reason: text(error) }));
    const end = await Promise.race([fetched, stopped.promise]);
    const pauseMs = PAUSES_MS[blob.tries];
    blob.tries += 1;
    blob.dueAtMs = monotonicNow() + (pauseMs ?? 0);
    if (end.result !== 'failed' || pauseMs === undefined) waiting.delete(sha1);
    deps.onEnd(end);
    blob.first.resolve(end);
    if (end.result === 'stored') {
      log.info({ sha1 }, 'a blob that had rotted was fetched anew');
    } else if (!stopping.signal.aborted) {
      const againInMs = waiting.has(sha1) ? pauseMs : undefined;
      log.warn({ sha1, reason: end.reason, againInMs }, 'a blob that has rotted could not be fetched anew');
    }
  }

  async function fetchOnce(sha1: Sha1Hex): Promise<RefetchEnd> {
    if (deps.isStored(sha1)) return { result: 'stored', reason: undefined };
    const images = await deps.images();
    const owners = images.filter(({ files }) => files.includes(sha1));
    if (owners.length === 0) {
      const isIcon = images.some(({ icon }) => icon === sha1);
      return { result: 'left', reason: isIcon ? 'it is an icon' : 'no kept image has it' };
    }
    let problem = 'no upstream has it';
    for (const { uuid } of owners) {
      try {
        const wanted = await wantedOf(uuid, sha1);
        if (wanted !== undefined) return await obtain(wanted);
      } catch (error) {
        // Another image of the same bytes may have better sources.
        problem = text(error);
      }
    }
    return { result: 'failed', reason: problem };
  }

  /** Undefined: every upstream says that there is no such image, or none is left to ask. */
  async function wantedOf(uuid: ImageUuid, sha1: Sha1Hex): Promise<WantedBlob | undefined> {
    const requestId = randomUUID();
    for (const channel of [undefined, '*']) {
      const found = await deps.resolver
        .resolve({ uuid, channel, requestId, priority: 'prefetch' })
        .catch((error: unknown) => {
          // There is no such channel where no upstream has any.
          if (error instanceof MirrorError && error.code === 'ValidationFailed') return { kind: 'absent' } as const;
          throw error;
        });
      if (found.kind === 'absent') continue;
      const index = found.entry.manifest.files.findIndex((file) => file.sha1 === sha1);
      const file = found.entry.manifest.files[index];
      if (file === undefined) continue;
      const image = { ...found, channel, snapshot: deps.catalog.peek(channel)?.snapshot };
      const sources = fileSources(deps.catalog.feeds(), image, index);
      if (sources.length > 0) return { sha1, size: file.size, sources, requestId, priority: 'prefetch' };
    }
    return undefined;
  }

  async function obtain(wanted: WantedBlob): Promise<RefetchEnd> {
    const blob = await deps.downloads.obtain(wanted);
    try {
      // Held open until its end: a download that nobody follows may be given up.
      const [isStored] = await Promise.all([blob.stored, blob.headers]);
      return isStored
        ? { result: 'stored', reason: undefined }
        : { result: 'failed', reason: 'it could not be stored' };
    } finally {
      await blob.source.close();
    }
  }

  return {
    refetch(sha1) {
      const before = waiting.get(sha1);
      if (before !== undefined) return before.first.promise;
      if (stopping.signal.aborted || waiting.size >= MAX_WAITING) {
        const reason = stopping.signal.aborted ? 'the mirror is shutting down' : `${MAX_WAITING} others wait already`;
        const end: RefetchEnd = { result: 'left', reason };
        deps.onEnd(end);
        return Promise.resolve(end);
      }
      const blob: Waiting = { sha1, first: Promise.withResolvers(), tries: 0, dueAtMs: monotonicNow() };
      waiting.set(sha1, blob);
      woken.abort();
      working ??= work();
      return blob.first.promise;
    },
    async close() {
      stopping.abort();
      const end: RefetchEnd = { result: 'left', reason: 'the mirror is shutting down' };
      stopped.resolve(end);
      for (const { first } of waiting.values()) first.resolve(end);
      await working;
    },
  };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
