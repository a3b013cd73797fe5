/** Upstreams, records and kept manifests in memory, for tests of the catalog room. */
import type { TestContext } from 'node:test';
import type { ResolverDeps } from '../../../src/catalog/resolve.ts';
import { parseChannels, type Channel } from '../../../src/imgapi/channels.ts';
import { isImageUuid, type ImageUuid } from '../../../src/imgapi/ids.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';
import type { KeptChannels } from '../../../src/records/kept-channels.ts';
import type { KeptManifest, KeptManifests } from '../../../src/records/kept-manifests.ts';
import { createRecords, type Records } from '../../../src/records/records.ts';
import { createTrust, type Trust } from '../../../src/trust/trust.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type {
  ImageRequest,
  ListAnswer,
  ListRequest,
  ManifestAnswer,
  Upstream,
  UpstreamRequest,
} from '../../../src/upstream/upstream.ts';
import { createCaptureLog, type CaptureLog } from '../../support/capture-log.ts';
import { manifestOf, uuidOf as uuidText } from '../../support/manifest-of.ts';

/** An upstream whose answers are replaced as the test goes on. */
export interface CatalogUpstream extends Upstream {
  onList: (request: ListRequest) => ListAnswer | Promise<ListAnswer>;
  onChannels: (request: UpstreamRequest) => readonly Channel[] | undefined | Promise<readonly Channel[] | undefined>;
  onManifest: (request: ImageRequest) => ManifestAnswer | Promise<ManifestAnswer>;
  readonly lists: ListRequest[];
  readonly manifests: ImageRequest[];
}

async function no(): Promise<never> {
  throw new Error('not asked for in these tests');
}

export function catalogUpstream(name: string, options: { readonly channel?: string } = {}): CatalogUpstream {
  const upstream: CatalogUpstream = {
    name,
    url: `http://${name}.test`,
    channel: options.channel,
    maxDownloads: 1,
    prefetchDownloads: 1,
    lists: [],
    manifests: [],
    onList: () => listOf([]),
    onChannels: () => undefined,
    onManifest: () => ({ kind: 'absent' }),
    ping: no,
    icon: no,
    file: no,
    channels: async (request) => upstream.onChannels(request),
    async list(request) {
      upstream.lists.push(request);
      return upstream.onList(request);
    },
    async manifest(request) {
      upstream.manifests.push(request);
      return upstream.onManifest(request);
    },
    close: async () => undefined,
  };
  return upstream;
}

/** A list with these manifests, and nothing to ask conditionally by. */
export function listOf(manifests: readonly Manifest[], etag?: string): ListAnswer {
  return { kind: 'list', images: manifests.map(({ json }) => json), validators: etag === undefined ? {} : { etag } };
}

/** What an upstream that is down throws. */
export function down(name: string): never {
  throw unavailable(name, 'connect', 'ECONNREFUSED');
}

export async function never(): Promise<never> {
  return new Promise(() => {});
}

/** The nth image, and its uuid. */
export function imageOf(n: number, fields: Readonly<Record<string, unknown>> = {}): Manifest {
  return manifestOf({ uuid: uuidText(n), name: `image-${n}`, ...fields });
}

export function uuidOf(n: number): ImageUuid {
  const uuid = uuidText(n);
  if (!isImageUuid(uuid)) throw new TypeError(uuid);
  return uuid;
}

export interface FakeKept extends KeptManifests {
  readonly byUuid: Map<string, KeptManifest>;
  add(manifest: Manifest, upstream: string, fetchedAt?: string): void;
}

export function fakeKept(): FakeKept {
  const byUuid = new Map<string, KeptManifest>();
  return {
    byUuid,
    add: (manifest, upstream, fetchedAt = '2026-01-01T00:00:00.000Z') =>
      void byUuid.set(manifest.uuid, { upstream, fetchedAt, manifest: manifest.json }),
    get: async (uuid) => byUuid.get(uuid),
    put: async (kept) => void byUuid.set(String(kept.manifest['uuid']), kept),
    async *all() {
      yield* byUuid.values();
    },
  };
}

/** They live as long as `store`, under a key of their own. */
export function fakeKeptChannels(store: Map<string, unknown>): KeptChannels {
  return {
    get: async (upstream) => parseChannels(store.get(`kept-channels ${upstream}`)),
    set: async (upstream, channels) => void store.set(`kept-channels ${upstream}`, channels),
  };
}

export interface CatalogBench {
  readonly records: Records;
  readonly kept: FakeKept;
  readonly keptChannels: KeptChannels;
  /** Every blob is. */
  readonly isStored: () => Promise<boolean>;
  readonly log: CaptureLog;
  readonly trust: Trust;
  /** What to do when an operator has accepted a change. */
  onAccepted: () => void;
  /** What the records are kept in: give it to another bench to play a restart. */
  readonly store: Map<string, unknown>;
  /** ms since the epoch. */
  clock: number;
}

export function catalogBench(t: TestContext, store = new Map<string, unknown>()): CatalogBench {
  const log = createCaptureLog();
  const records = createRecords({ store, log });
  const kept = fakeKept();
  const trust = createTrust({
    records,
    kept,
    upstreams: ['up0', 'up1', 'up2'],
    onAccepted: () => bench.onAccepted(),
    log,
    now: () => bench.clock,
  });
  t.after(async () => {
    await trust.close();
    await records.close();
  });
  const bench: CatalogBench = {
    records,
    kept,
    keptChannels: fakeKeptChannels(store),
    isStored: async () => true,
    log,
    trust,
    onAccepted: () => undefined,
    store,
    clock: Date.UTC(2026, 0, 1),
  };
  return bench;
}

/** What a resolver needs where no upstream is sick and no budget is used up. */
export function carefree(): Pick<ResolverDeps, 'healthOf' | 'budget' | 'onRefused'> {
  return {
    healthOf: () => ({ isTripped: () => false, isProbeDue: () => false, report: () => undefined }),
    budget: { take: () => true },
    onRefused: () => undefined,
  };
}
