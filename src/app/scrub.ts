/** What keeps stored bytes right: the scrub in the background and on demand, and the fetching anew of what has rotted. */
import { createDigester } from '../blobs/digester.ts';
import type { ImageBlobs } from '../blobs/eviction-ranking.ts';
import { createScrub, type Scrub } from '../blobs/scrub.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Resolver } from '../catalog/resolve.ts';
import type { Downloads } from '../downloads/registry.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Operation } from '../operations/operation.ts';
import { createRefetcher } from '../operations/refetch.ts';
import { createScrubOperation, type ScrubResult } from '../operations/scrub.ts';
import type { Records } from '../records/records.ts';
import type { AppDeps } from './deps.ts';
import type { Storage } from './storage.ts';

export interface ScrubRoom {
  readonly scrub: Scrub;
  readonly operation: Operation<object, ScrubResult>;
  /** Within milliseconds; before the downloads are closed. */
  close(): Promise<void>;
}

export interface ScrubRoomParts {
  readonly storage: Pick<Storage, 'blobs' | 'whenCounted'>;
  readonly records: Records;
  readonly images: () => Promise<readonly ImageBlobs[]>;
  readonly resolver: Resolver;
  readonly catalog: Catalog;
  readonly downloads: Downloads;
}

export function createScrubRoom(
  { log, now, monotonicNow }: AppDeps,
  metrics: Metrics,
  { storage, records, ...parts }: ScrubRoomParts,
  /** `cache.scrubEvery` as it is in force now. */
  everyMs: () => number,
): ScrubRoom {
  const { inspect, upkeep } = storage.blobs;
  const refetcher = createRefetcher({
    ...parts,
    isStored: (sha1) => upkeep.has(sha1),
    onEnd: ({ result }) => metrics.refetches.inc({ result }),
    log,
    monotonicNow,
  });
  const scrub = createScrub(
    {
      inspect,
      blobs: () => upkeep.blobs(),
      counted: storage.whenCounted,
      marks: records.scrub,
      createDigester: () => createDigester({ threads: 1 }),
      onRead: (bytes) => metrics.scrubbedBytes.inc(bytes),
      onChecked({ sha1, result }) {
        metrics.scrubbed.inc({ result });
        // Never rejects; an operation that runs asks for the same, and is told how it ended.
        if (result === 'rotted') void refetcher.refetch(sha1);
      },
      log,
      now,
      monotonicNow,
    },
    {
      get everyMs() {
        return everyMs();
      },
    },
  );
  return {
    scrub,
    operation: createScrubOperation({ scrub, refetcher, monotonicNow }),
    async close() {
      await Promise.all([scrub.close(), refetcher.close()]);
    },
  };
}
