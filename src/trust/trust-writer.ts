/**
 * Writes what is remembered, in the background and in batches: a first list brings thousands of images at once. A manifest
 * is written before the fact that it is remembered, and conflicts before the facts are whole, so that a crash in between is
 * as if the facts had not been there. What a full disk does not take is written again later.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Log } from '../config/log.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { FACT_BUCKETS, type TrustRecords } from '../records/trust-records.ts';
import { factsText, type Remembered } from './remembered.ts';

export interface TrustWriter {
  /** The facts of an image, or the name of its upstream, have changed. */
  factsChanged(uuid: ImageUuid): void;
  manifestChanged(uuid: ImageUuid): void;
  /** Nothing, or not all, was found at the start: everything is written, so that what is missing later was lost. */
  allChanged(): void;
  conflictsChanged(): void;
  /** What `manifests/<uuid>.json` says of the image is no longer so, if there is such a file. */
  keptChanged(uuid: ImageUuid): void;
  /** Resolves when all that has changed is written, or could not be. Never rejects. */
  flush(): Promise<void>;
  /** The same; and nothing is tried again after it. */
  close(): Promise<void>;
}

export interface TrustWriterDeps {
  readonly records: TrustRecords;
  readonly all: () => ReadonlyMap<ImageUuid, Remembered>;
  /** What `setConflicts` is to be given. */
  readonly conflicts: () => unknown;
  readonly updateKept: (uuid: ImageUuid) => Promise<void>;
  readonly log: Log;
}

/** Some 3 ms of the event loop each. */
const BATCH = 200;
/** What could not be written is tried again after this, or with the next change, ms. */
const RETRY_MS = 60_000;

export function createTrustWriter(
  deps: TrustWriterDeps,
  { retryMs = RETRY_MS }: { readonly retryMs?: number } = {},
): TrustWriter {
  const { records, log } = deps;
  let buckets = new Set<string>();
  let manifests = new Set<ImageUuid>();
  let kept = new Set<ImageUuid>();
  let areConflictsDirty = false;
  let running: Promise<void> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let isClosed = false;

  /** Like the other two: @returns false where it is all to be done again */
  async function writeManifests(): Promise<boolean> {
    const uuids = [...manifests];
    manifests = new Set();
    for (let at = 0; at < uuids.length; at += BATCH) {
      const batch = uuids.slice(at, at + BATCH).flatMap((uuid) => {
        const manifest = deps.all().get(uuid)?.manifest;
        return manifest === undefined ? [] : [{ uuid, json: manifest.json }];
      });
      if (batch.length > 0 && !(await records.setManifests(batch))) {
        for (const uuid of uuids.slice(at)) manifests.add(uuid);
        return false;
      }
      // Clients come first.
      await nextTurn();
    }
    return true;
  }

  async function writeConflicts(): Promise<boolean> {
    areConflictsDirty = false;
    const isWritten = await records.setConflicts(deps.conflicts());
    areConflictsDirty ||= !isWritten;
    return isWritten;
  }

  async function writeFacts(): Promise<boolean> {
    const dirty = buckets;
    buckets = new Set();
    const byBucket = new Map<string, [ImageUuid, Remembered][]>(FACT_BUCKETS.map((bucket) => [bucket, []]));
    for (const [uuid, remembered] of deps.all()) byBucket.get(bucketOf(uuid))?.push([uuid, remembered]);
    const rows = [...dirty].map((bucket) => ({ bucket, text: factsText(byBucket.get(bucket) ?? []) }));
    const isWritten = await records.setFacts(rows);
    if (!isWritten) for (const bucket of dirty) buckets.add(bucket);
    return isWritten;
  }

  async function writeKept(): Promise<void> {
    const uuids = kept;
    kept = new Set();
    for (const uuid of uuids) {
      try {
        await deps.updateKept(uuid);
      } catch (error) {
        // The records have it; the file is brought up to date with the next change.
        log.error({ err: error, uuid }, 'a kept manifest could not be brought up to date');
      }
    }
  }

  /** Until nothing is left, or the records fail. */
  async function writeRecords(): Promise<boolean> {
    for (;;) {
      let isWritten: boolean;
      if (manifests.size > 0) isWritten = await writeManifests();
      else if (areConflictsDirty) isWritten = await writeConflicts();
      else if (buckets.size > 0) isWritten = await writeFacts();
      else return true;
      if (!isWritten) return false;
    }
  }

  async function run(): Promise<void> {
    // What comes in one turn is one batch.
    await nextTurn();
    for (;;) {
      const isWritten = await writeRecords();
      if (kept.size > 0) {
        await writeKept();
        continue;
      }
      // The records have said in the log why.
      if (!isWritten && !isClosed) retry ??= setTimeout(again, retryMs).unref();
      return;
    }
  }

  function again(): void {
    retry = undefined;
    schedule();
  }

  function schedule(): void {
    running ??= run()
      .catch((error: unknown) => log.error({ err: error }, 'what is remembered of images could not be written'))
      .finally(() => {
        running = undefined;
      });
  }

  async function flush(): Promise<void> {
    while (running !== undefined) await running;
  }

  return {
    factsChanged(uuid) {
      buckets.add(bucketOf(uuid));
      schedule();
    },
    allChanged() {
      for (const bucket of FACT_BUCKETS) buckets.add(bucket);
      for (const uuid of deps.all().keys()) manifests.add(uuid);
      areConflictsDirty = true;
      schedule();
    },
    manifestChanged(uuid) {
      manifests.add(uuid);
      schedule();
    },
    conflictsChanged() {
      areConflictsDirty = true;
      schedule();
    },
    keptChanged(uuid) {
      kept.add(uuid);
      schedule();
    },
    flush,
    async close() {
      isClosed = true;
      clearTimeout(retry);
      await flush();
    },
  };
}

function bucketOf(uuid: ImageUuid): string {
  return uuid.slice(0, 1);
}
