import { isJsonObject } from '../blobs/json-file.ts';
import type { ScrubMarks } from '../blobs/scrub.ts';
import type { Log } from '../config/log.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import { createBoundedKeyv } from './bounded-keyv.ts';
import type { RecordsStore } from './bounded-keyv.ts';
import { createLastUse } from './last-use.ts';
import type { LastUse } from './last-use.ts';
import { createNegatives } from './negatives.ts';
import type { Negatives } from './negatives.ts';
import { recordKey } from './record-key.ts';
import { createScrubMarks } from './scrub-marks.ts';
import { createTrustRecords } from './trust-records.ts';
import type { TrustRecords } from './trust-records.ts';

export type { RecordsStore } from './bounded-keyv.ts';
export type { LastUse } from './last-use.ts';
export type { Negatives } from './negatives.ts';

/** The last good list of one upstream and channel. */
export interface ListRecord {
  /** ISO 8601. */
  readonly fetchedAt: string;
  readonly etag?: string;
  readonly lastModified?: string;
  /** The raw manifests as the upstream sent them. They are not checked here: whoever reads them does so as if just fetched. */
  readonly images: readonly unknown[];
}

/** A manifest that was looked up by uuid because no list has it. */
export interface LookupRecord {
  readonly upstream: string;
  readonly manifest: ManifestJson;
  /** ISO 8601. */
  readonly fetchedAt: string;
}

/**
 * Small facts that can be lost. No call rejects or takes longer than the deadline: a store that fails or is late counts as
 * knowing nothing, and is logged. So does a value of the wrong form.
 */
export interface Records {
  readonly lists: {
    get(upstream: string, channel: string | undefined): Promise<ListRecord | undefined>;
    set(upstream: string, channel: string | undefined, record: ListRecord): Promise<void>;
  };
  readonly lookups: {
    get(uuid: ImageUuid, channel: string | undefined): Promise<LookupRecord | undefined>;
    /** With a `ttlMs` of 0 or less nothing is remembered. */
    set(uuid: ImageUuid, channel: string | undefined, record: LookupRecord, ttlMs: number): Promise<void>;
  };
  readonly negatives: Negatives;
  readonly lastUse: LastUse;
  readonly scrub: ScrubMarks;
  readonly trust: TrustRecords;
  /** Writes what is pending and closes the store. */
  close(): Promise<void>;
}

export interface RecordsOptions {
  /** How long any call may take. Default: 500. */
  readonly deadlineMs?: number;
  /** Default: 10,000. */
  readonly maxNegatives?: number;
  /** How often last use is written. Default: 1,000. */
  readonly flushEveryMs?: number;
}

/** Typed views on one store. The store belongs to the records from here on: `close` closes it. */
export function createRecords(
  deps: { readonly store: RecordsStore; readonly log: Log },
  options: RecordsOptions = {},
): Records {
  const { log } = deps;
  const keyv = createBoundedKeyv(deps, { deadlineMs: options.deadlineMs ?? 500 });
  const lastUse = createLastUse({ keyv, log }, { flushEveryMs: options.flushEveryMs ?? 1_000 });

  const getSound = async <T>(key: string, isSound: (value: unknown) => value is T): Promise<T | undefined> => {
    const value = await keyv.get(key);
    if (value === undefined || isSound(value)) return value;
    log.warn({ key }, 'records: a value is of the wrong form and counts as absent');
    return undefined;
  };

  return {
    lists: {
      get: (upstream, channel) => getSound(recordKey('list', upstream, channel ?? null), isListRecord),
      async set(upstream, channel, record) {
        await keyv.set(recordKey('list', upstream, channel ?? null), record);
      },
    },
    lookups: {
      get: (uuid, channel) => getSound(recordKey('lookup', channel ?? null, uuid), isLookupRecord),
      async set(uuid, channel, record, ttlMs) {
        // Keyv takes 0 for "for ever".
        if (ttlMs > 0) await keyv.set(recordKey('lookup', channel ?? null, uuid), record, ttlMs);
      },
    },
    negatives: createNegatives({ keyv }, { maxEntries: options.maxNegatives ?? 10_000 }),
    lastUse,
    scrub: createScrubMarks({ keyv }),
    trust: createTrustRecords({ keyv }),
    async close() {
      await lastUse.close();
      await keyv.close();
    },
  };
}

function isListRecord(value: unknown): value is ListRecord {
  if (!isJsonObject(value)) return false;
  const { fetchedAt, etag, lastModified, images } = value;
  return (
    isTime(fetchedAt) &&
    (etag === undefined || typeof etag === 'string') &&
    (lastModified === undefined || typeof lastModified === 'string') &&
    Array.isArray(images)
  );
}

function isLookupRecord(value: unknown): value is LookupRecord {
  if (!isJsonObject(value)) return false;
  const { upstream, manifest, fetchedAt } = value;
  return typeof upstream === 'string' && isJsonObject(manifest) && isTime(fetchedAt);
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}
