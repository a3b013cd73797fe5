/** The operations over the rooms of one mirror. */
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import type { Resolver } from '../catalog/resolve.ts';
import { PRODUCT } from '../config/product.ts';
import type { Config } from '../config/schema.ts';
import type { Downloads } from '../downloads/registry.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createAccept } from '../operations/accept.ts';
import { createDownloadsList, describeDownloads, type Labels } from '../operations/downloads.ts';
import { createEvict } from '../operations/evict.ts';
import { labelOf } from '../operations/image-label.ts';
import { createList } from '../operations/list.ts';
import type { Operation } from '../operations/operation.ts';
import { createPin } from '../operations/pin.ts';
import type { Readiness } from '../operations/ready.ts';
import { createRefresh } from '../operations/refresh.ts';
import { createSelection } from '../operations/selection.ts';
import { createShow } from '../operations/show.ts';
import { createStatus, type StatusFacts } from '../operations/status.ts';
import { createUnpin } from '../operations/unpin.ts';
import type { Operations } from '../operations/verbs.ts';
import type { ImageIndex } from '../records/image-index.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import type { Keeper } from '../records/keeper.ts';
import type { Records } from '../records/records.ts';
import type { Facts } from '../selector/match.ts';
import type { Trust } from '../trust/trust.ts';
import type { AppDeps } from './deps.ts';
import type { DiskUse } from './disk-use.ts';
import type { PinRoom } from './pins.ts';
import type { PrefetchRoom } from './prefetch.ts';
import type { Storage } from './storage.ts';
import type { ScrubRoom } from './scrub.ts';
import { readTraffic } from './traffic.ts';
import type { Upstreams } from './upstreams.ts';

export interface OperationRooms {
  readonly config: Config;
  readonly deps: AppDeps;
  readonly metrics: Metrics;
  readonly catalog: Catalog;
  readonly resolver: Resolver;
  readonly known: KnownImages;
  readonly facts: Facts<KnownImage>;
  readonly trust: Trust;
  readonly storage: Storage;
  readonly downloads: Downloads;
  readonly records: Records;
  readonly scrub: ScrubRoom;
  readonly upstreams: Upstreams;
  readonly index: ImageIndex;
  /** With what is to be remembered of each image. */
  readonly kept: KeptManifests;
  readonly keeper: Keeper;
  readonly pinRoom: PinRoom;
  readonly prefetchRoom: PrefetchRoom;
  readonly readiness: Readiness;
  readonly diskUse: DiskUse;
}

/** What a person waits for the disk. */
const STATUS_WAIT_MS = 1_000;

export function createOperations(rooms: OperationRooms): Operations {
  const { catalog, resolver, known, facts, storage, downloads, records, index, keeper, pinRoom } = rooms;
  const { blobs } = storage;
  const selection = createSelection({
    known,
    facts,
    resolver,
    whenCounted: async () => storage.whenCounted,
    isOffline: rooms.config.offline,
  });
  const startedAt = new Date(rooms.deps.now()).toISOString();
  const lastUse = async (sha1: Sha1Hex): Promise<number | undefined> => records.lastUse.get(sha1);
  const list = { selection, facts, lastUse };
  return {
    status: checked(createStatus(async () => statusOf(rooms, startedAt, await rooms.diskUse(STATUS_WAIT_MS)))),
    list: checked(createList(list)),
    show: checked(
      createShow({
        ...list,
        known,
        isStored: (sha1) => blobs.upkeep.has(sha1),
        progressOf: (sha1) => downloads.progressOf(sha1),
        contradictionOf: (uuid) => rooms.trust.conflicts().find((conflict) => conflict.uuid === uuid),
      }),
    ),
    downloads: checked(createDownloadsList(downloads, labelsOf(catalog))),
    prefetch: checked(rooms.prefetchRoom.operation),
    pin: checked(createPin({ selection, known, pins: pinRoom.pins, index, keeper })),
    unpin: checked(createUnpin({ selection, known, pins: pinRoom.pins, forgetUnstored: pinRoom.forgetUnstored })),
    evict: checked(createEvict({ selection, evictImages: storage.eviction.evictImages, index })),
    scrub: checked(rooms.scrub.operation),
    export: late(async () => {
      const { createExport } = await import('../operations/export.ts');
      return checked(createExport({ selection, blobs, kept: rooms.kept, monotonicNow: rooms.deps.monotonicNow }));
    }),
    import: late(async () => {
      const { createImport } = await import('../operations/import.ts');
      return checked(
        createImport({
          blobs,
          space: storage.countedSpace,
          kept: rooms.kept,
          remembered: (uuid) => rooms.trust.recall(uuid)?.files,
          onImported: async () => catalog.noteImported(),
          log: rooms.deps.log,
          now: rooms.deps.now,
          monotonicNow: rooms.deps.monotonicNow,
        }),
      );
    }),
    verify: late(async () => {
      const { createVerify } = await import('../operations/verify.ts');
      return checked(createVerify({ monotonicNow: rooms.deps.monotonicNow }));
    }),
    accept: checked(createAccept({ trust: rooms.trust })),
    refresh: checked(createRefresh({ catalog, negatives: records.negatives, isOffline: rooms.config.offline })),
  };
}

/** Of the images that clients see by default. */
function labelsOf(catalog: Pick<Catalog, 'peek'>): Labels {
  return (uuid) => {
    const entry = catalog.peek(undefined)?.snapshot.get(uuid);
    return entry === undefined ? undefined : labelOf(entry);
  };
}

function timeOf(atMs: number | undefined): string | null {
  return atMs === undefined ? null : new Date(atMs).toISOString();
}

/** Loads an operation when it is first asked for: no start waits for what few runs need. */
function late(load: () => Promise<Operations[keyof Operations]>): Operations[keyof Operations] {
  return { run: async (input, context) => (await load()).run(input, context) };
}

/** Its input comes checked against the fields of its verb, which say what its type says. */
function checked<Input>(operation: Operation<Input, object>): Operations[keyof Operations] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `readInput` has checked it
  return { run: async (input, context) => operation.run(input as Input, context) };
}

async function statusOf(
  rooms: OperationRooms,
  startedAt: string,
  use: Awaited<ReturnType<DiskUse>>,
): Promise<StatusFacts> {
  const { config, catalog, storage, upstreams } = rooms;
  const { blobs, space } = storage;
  const state = catalog.state();
  const now = rooms.deps.now();
  const totals = blobs.totals();
  const limits = space.limits();
  return {
    version: PRODUCT.version,
    startedAt,
    offline: config.offline,
    readiness: await rooms.readiness.verdict(),
    dir: config.cache.dir,
    catalog: { images: state.images, conflicts: state.conflicts },
    upstreams: state.upstreams.map(({ upstream, images, fetchedAtMs, problem, hasAnswered, isHeld }) => {
      const health = upstreams.healths.get(upstream);
      return {
        name: upstream,
        url: config.upstreams.find(({ name }) => name === upstream)?.url ?? '',
        up: hasAnswered ?? null,
        held: isHeld,
        images,
        listAgeSeconds: fetchedAtMs === undefined ? null : Math.round((now - fetchedAtMs) / 1000),
        listConfirmedAt: timeOf(fetchedAtMs),
        problem: problem ?? null,
        breakers: { list: health?.state('list') ?? 'closed', file: health?.state('file') ?? 'closed' },
      };
    }),
    storage: {
      blobs: totals.blobs,
      blobBytes: totals.bytes,
      usedBytes: use.usedBytes + use.runningBytes,
      maxBytes: limits.maxBytes,
      minFreeBytes: limits.minFreeBytes,
      freeBytes: use.freeBytes,
      reservedBytes: space.reservedBytes(),
      partialBytes: use.partialBytes,
      quarantinedFiles: use.quarantinedFiles,
      quarantinedBytes: use.quarantinedBytes,
      pinned: new Set(rooms.pinRoom.pins.all().map(({ uuid }) => uuid)).size,
      scrubbedAt: timeOf(await rooms.scrub.scrub.readAgainAtMs()),
    },
    traffic: await readTraffic(rooms.metrics),
    downloads: describeDownloads(rooms.downloads, labelsOf(catalog)),
  };
}
