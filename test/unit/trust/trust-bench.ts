/** A trust room on records in memory, and the catalog's part played by hand. */
import type { TestContext } from 'node:test';
import { mergeLists, type UpstreamList } from '../../../src/catalog/merge.ts';
import type { ImageUuid } from '../../../src/imgapi/ids.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';
import { createRecords } from '../../../src/records/records.ts';
import { createTrust, type Trust, type TrustOptions } from '../../../src/trust/trust.ts';
import { createCaptureLog, type CaptureLog } from '../../support/capture-log.ts';
import { fakeKept, imageOf, type FakeKept } from '../catalog/fake-catalog.ts';
import { filesOf } from '../../support/manifest-of.ts';

export interface TrustBench {
  readonly trust: Trust;
  readonly store: Map<string, unknown>;
  readonly kept: FakeKept;
  readonly log: CaptureLog;
  readonly accepted: ImageUuid[];
  /** ms since the epoch. */
  clock: number;
  /** What a refresh does: prepares the lists, merges and settles them. @returns name and first SHA-1 of what is shown, by uuid */
  refresh(lists: readonly (UpstreamList & { readonly isFresh?: boolean })[], view?: string): Promise<Shown>;
}

export type Shown = ReadonlyMap<string, { readonly manifest: Manifest; readonly isRemembered: boolean }>;

export interface TrustBenchOptions extends TrustOptions {
  readonly store?: Map<string, unknown>;
  readonly kept?: FakeKept;
  readonly upstreams?: readonly string[];
}

export async function trustBench(t: TestContext, options: TrustBenchOptions = {}): Promise<TrustBench> {
  const { store = new Map<string, unknown>(), kept = fakeKept() } = options;
  const log = createCaptureLog();
  const records = createRecords({ store, log });
  const accepted: ImageUuid[] = [];
  const trust = createTrust(
    {
      records,
      kept,
      upstreams: options.upstreams ?? ['up0', 'up1'],
      onAccepted: (uuid) => accepted.push(uuid),
      log,
      now: () => bench.clock,
    },
    options,
  );
  t.after(async () => {
    await trust.close();
    await records.close();
  });
  const bench: TrustBench = {
    trust,
    store,
    kept,
    log,
    accepted,
    clock: Date.UTC(2026, 0, 1),
    async refresh(given, view = '') {
      const lists = await Promise.all(
        given.map(async ({ upstream, manifests, isFresh = true }) => ({
          upstream,
          manifests: await trust.prepare(upstream, manifests, !isFresh),
          isFresh,
        })),
      );
      const { entries, conflicts } = mergeLists(lists, (uuid) => trust.recall(uuid));
      trust.settle({ view, lists, entries, conflicts });
      return new Map(entries.map(({ manifest, isRemembered = false }) => [manifest.uuid, { manifest, isRemembered }]));
    },
  };
  await trust.load();
  return bench;
}

/** The nth image with these contents as its files. */
export function said(n: number, contents: readonly string[], fields: Readonly<Record<string, unknown>> = {}): Manifest {
  return imageOf(n, { files: filesOf(...contents), ...fields });
}
