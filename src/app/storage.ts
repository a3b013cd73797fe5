/** Where bytes are kept: the blob store, the room it may take, and what makes room. */
import { createDigester, type Digester } from '../blobs/digester.ts';
import { createEviction, type Eviction, type EvictionDeps } from '../blobs/eviction.ts';
import { footprintOf } from '../blobs/footprint.ts';
import { createSpaceKeeper, type MeasuredSpace, type SpaceKeeper } from '../blobs/reservation.ts';
import { createBlobStore, type DiskBlobStore } from '../blobs/store.ts';
import { usedWithout } from '../blobs/upkeep.ts';
import type { Config } from '../config/schema.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { AppDeps } from './deps.ts';

export interface Storage {
  readonly blobs: DiskBlobStore;
  readonly digester: Digester;
  readonly space: MeasuredSpace;
  /** The same, but where `maxBytes` limits it, nothing is reserved before the store is counted. */
  readonly countedSpace: SpaceKeeper;
  readonly eviction: Eviction;
  /** Resolves when the store is counted. Never rejects. */
  readonly whenCounted: Promise<void>;
  /** Counts what is stored, then begins to evict in the background. */
  start(): void;
  /** Ends the count. */
  stop(): void;
}

/** What eviction asks of other rooms. */
type EvictionFacts = Pick<EvictionDeps, 'lastUse' | 'isPinned' | 'heldBy' | 'isRunning' | 'images' | 'forgetImage'>;

export function createStorage(
  { cache }: Config,
  { log, now }: AppDeps,
  metrics: Metrics,
  facts: EvictionFacts,
  /** What is in force now of `cache`. */
  live: () => Config['cache'],
): Storage {
  const { dir, maxBytes, minFreeBytes } = cache;
  const blobs = createBlobStore({ log }, { dir });
  const scanned = Promise.withResolvers<void>();
  const stopping = new AbortController();
  const space = createSpaceKeeper(
    {
      usedBytes: async (besides) => usedWithout(await blobs.upkeep.use(), besides),
      footprintOf,
      makeRoom: async (bytes, besides) => eviction.makeRoom(bytes, besides),
    },
    { dir, maxBytes, minFreeBytes },
  );
  const eviction = createEviction(
    {
      ...facts,
      upkeep: blobs.upkeep,
      room: async () => space.room(),
      onEvicted(reason, bytes) {
        metrics.evictions.inc({ reason });
        metrics.evictedBytes.inc({ reason }, bytes);
      },
      log,
      now,
    },
    {
      get keepPartialsMs() {
        return live().keepPartials;
      },
      get keepQuarantinedMs() {
        return live().keepQuarantined;
      },
    },
  );
  return {
    blobs,
    digester: createDigester(),
    space,
    countedSpace:
      maxBytes === null
        ? space
        : { ...space, reserve: async (bytes, sha1) => scanned.promise.then(() => space.reserve(bytes, sha1)) },
    eviction,
    whenCounted: scanned.promise,
    start() {
      void blobs
        .scan(stopping.signal)
        .catch((error: unknown) => {
          // A command that is done does not wait for the count.
          if (!stopping.signal.aborted) log.error({ err: error, dir }, 'the store could not be counted');
        })
        .finally(() => {
          scanned.resolve();
          eviction.start();
        });
    },
    stop: () => stopping.abort(),
  };
}
