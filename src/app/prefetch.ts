/** Prefetching: the operation, and the schedule that runs it. */
import { randomUUID } from 'node:crypto';
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import type { Resolver } from '../catalog/resolve.ts';
import type { Config } from '../config/schema.ts';
import type { Icons } from '../downloads/icons.ts';
import type { Downloads } from '../downloads/registry.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { Operation } from '../operations/operation.ts';
import {
  createPrefetch,
  isComplete,
  PREFETCH_IMAGE_RESULTS,
  type PrefetchEnd,
  type PrefetchInput,
  type PrefetchResult,
} from '../operations/prefetch.ts';
import { createSelection } from '../operations/selection.ts';
import type { PrefetchHolds } from '../prefetch/holds.ts';
import { orAborted } from '../prefetch/or-aborted.ts';
import { createPrefetchSchedule } from '../prefetch/schedule.ts';
import type { Keeper } from '../records/keeper.ts';
import type { Facts } from '../selector/match.ts';
import type { AppDeps } from './deps.ts';
import type { Storage } from './storage.ts';

export interface PrefetchRoom {
  readonly operation: Operation<PrefetchInput, PrefetchResult>;
  /** Since the start; for metrics. */
  readonly stats: PrefetchStats;
  /** Begins to run what is configured. */
  start(): void;
  update(next: Config): void;
  /** Stops scheduled runs; resolves when none is left. */
  close(): Promise<void>;
}

export interface PrefetchStats {
  /** By who began them. */
  readonly runs: Readonly<Record<'schedule' | 'hand', PrefetchRuns>>;
  readonly images: Readonly<Record<string, number>>;
  /** Configured entries whose last run failed. */
  readonly failing: number;
  /** How many times in a row the hours of one of them have ended before it was through; of several the most. */
  readonly unfinished: number;
  /** ms since the epoch; undefined: no run has ended well yet. */
  readonly succeededAtMs: number | undefined;
}

type PrefetchRuns = Readonly<Record<'ok' | 'failed' | 'stopped', number>>;

export interface PrefetchRoomParts {
  readonly storage: Storage;
  readonly known: KnownImages;
  readonly facts: Facts<KnownImage>;
  readonly resolver: Resolver;
  readonly catalog: Catalog;
  readonly downloads: Downloads;
  readonly keeper: Keeper;
  readonly icons: Icons;
  readonly holds: PrefetchHolds;
}

/** Most files at one time, whatever the upstreams would let through: each costs two descriptors and a buffer. */
const MAX_CONCURRENCY = 64;

export function createPrefetchRoom(
  config: Config,
  { log, now }: AppDeps,
  { storage, facts, resolver, ...parts }: PrefetchRoomParts,
): PrefetchRoom {
  const { known } = parts;
  const runs = { schedule: { ok: 0, failed: 0, stopped: 0 }, hand: { ok: 0, failed: 0, stopped: 0 } };
  const images = zeroes(PREFETCH_IMAGE_RESULTS);
  let succeededAtMs: number | undefined;
  const slots = config.upstreams.reduce((sum, { prefetchDownloads }) => sum + prefetchDownloads, 0);
  const concurrency = Math.min(MAX_CONCURRENCY, slots);
  const deps = {
    ...parts,
    selection: createSelection({
      known,
      facts,
      resolver,
      whenCounted: async () => storage.whenCounted,
      priority: 'prefetch',
    }),
    isStored: (sha1: Sha1Hex) => storage.blobs.upkeep.has(sha1),
    room: async () => storage.space.room(),
    previewEviction: async (bytes: number) => storage.eviction.preview(bytes),
    async fetchIcon({ manifest, upstream, upstreams }: KnownImage) {
      // What an upstream that has changed its mind has under this uuid is another image's.
      if (!upstreams.includes(upstream)) return;
      const feed = parts.catalog.feeds().find((candidate) => candidate.upstream.name === upstream);
      const target = feed?.channelFor(undefined);
      const channel = target?.kind === 'ask' ? target.channel : undefined;
      await parts.icons.get({ manifest, upstream, channel, requestId: randomUUID(), priority: 'prefetch' });
    },
    log,
  };

  function onEnd(by: 'schedule' | 'hand', { result, images: ended }: PrefetchEnd): void {
    // A slip of a person's is no prefetch; in the configuration it is what keeps the next one from ever going well.
    if (result === 'refused' && by === 'hand') return;
    runs[by][result === 'refused' ? 'failed' : result] += 1;
    for (const [of, count] of Object.entries(ended)) images[of] = (images[of] ?? 0) + count;
    if (result === 'ok') succeededAtMs = now();
  }
  const operation = createPrefetch({ ...deps, onEnd: (end) => onEnd('hand', end) }, { concurrency });
  const scheduled = createPrefetch({ ...deps, onEnd: (end) => onEnd('schedule', end) }, { concurrency });
  const schedule = createPrefetchSchedule(
    {
      async run(selectors, signal) {
        // A run comes seldom, and at the start the list may be that of the last run: it wants to know what there is now.
        await orAborted(parts.catalog.refresh(), signal);
        const result = await scheduled.run({ selectors }, { signal, onEvent() {} });
        const { plan, failed, fetched, bytes, warnings } = result;
        const { unresolvable, presentImages } = plan;
        const counts = { fetched: fetched.length, failed: failed.length, present: presentImages, bytes };
        log.info(
          { select: selectors, ...counts, unresolvable: unresolvable.length, warnings },
          'scheduled prefetch is through',
        );
        return isComplete(result);
      },
      log,
      now,
    },
    config.offline ? [] : config.prefetch,
  );
  return {
    operation,
    stats: {
      runs,
      images,
      get failing() {
        return schedule.failing;
      },
      get unfinished() {
        return schedule.unfinished;
      },
      get succeededAtMs() {
        return succeededAtMs;
      },
    },
    start: () => schedule.start(),
    update(next) {
      // Whether it is offline is settled at the start.
      if (!config.offline) schedule.update(next.prefetch);
    },
    close: async () => schedule.close(),
  };
}

function zeroes(keys: readonly string[]): Record<string, number> {
  return Object.fromEntries(keys.map((key) => [key, 0]));
}
