/** A download on a fake disk, with fake upstreams: everything a test of it wants to see or to hold up. */
import assert from 'node:assert/strict';
import { startDownload, type Download, type DownloadEnd } from '../../../src/downloads/download.ts';
import { createBlame, type Blame } from '../../../src/downloads/blame.ts';
import { createPassing, type PassedResult, type Passing } from '../../../src/downloads/passing.ts';
import { createSlots, type Slots } from '../../../src/downloads/slots.ts';
import { createDownloads, type Downloads, type ObtainedBlob } from '../../../src/downloads/registry.ts';
import type { WantedBlob } from '../../../src/downloads/wanted.ts';
import type { ByteSource } from '../../../src/downloads/byte-source.ts';
import type { SpaceKeeper } from '../../../src/blobs/reservation.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { createCaptureLog, type CaptureLog } from '../../support/capture-log.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { createCountedEvents, type CountedEvents } from './counted-events.ts';
import { createFakeBlobs, createFakeDigester, factsOf, type FakeBlobs } from './fake-disk.ts';
import { createFakeUpstream, fileOf, sourceAt, type StreamOptions } from './fake-upstream.ts';

/** Larger than what is withheld, so that followers see something of a running download. */
export const SIZE = 200 * 1024;
export const BYTES: Buffer = createSeededBytes('a blob', SIZE).read(0, SIZE);
export const FACTS = factsOf(BYTES);
export const REQUEST_ID = '11111111-2222-4333-8444-555555555555';

export interface FakeSpace extends SpaceKeeper {
  /** Reservations given out, and how many of them are held. */
  given: number;
  held: number;
  /** True: there is no room. */
  isFull: boolean;
  /** Every answer waits for it. */
  gate: Promise<void>;
}

export function createFakeSpace(): FakeSpace {
  const space: FakeSpace = {
    given: 0,
    held: 0,
    isFull: false,
    gate: Promise.resolve(),
    async reserve() {
      await space.gate;
      if (space.isFull) return undefined;
      space.given += 1;
      space.held += 1;
      let isHeld = true;
      return {
        consumed: () => undefined,
        release() {
          if (isHeld) space.held -= 1;
          isHeld = false;
        },
      };
    },
    limits: () => ({ maxBytes: null, minFreeBytes: 0 }),
    reservedBytes: () => 0,
    free: async () => Infinity,
  };
  return space;
}

export interface DownloadBench {
  readonly blobs: FakeBlobs;
  readonly digester: ReturnType<typeof createFakeDigester>;
  readonly space: FakeSpace;
  readonly log: CaptureLog;
  readonly slots: Slots;
  readonly ends: DownloadEnd[];
  /** The outcomes of pass-throughs. */
  readonly passed: PassedResult[];
  /** Clients that went on with a stream of their own. */
  alone: number;
  readonly events: CountedEvents;
  /** ms; stands still unless a test moves it. */
  clock: number;
}

export function createBench(): DownloadBench {
  const blobs = createFakeBlobs();
  return {
    blobs,
    digester: createFakeDigester(blobs),
    space: createFakeSpace(),
    log: createCaptureLog(),
    slots: createSlots({ upstream: 'any', count: 4, waitMs: 1000, maxWaiting: 10 }),
    ends: [],
    passed: [],
    alone: 0,
    events: createCountedEvents(),
    clock: Date.UTC(2026, 0, 1),
  };
}

export function registryOf(
  bench: DownloadBench,
  upstreams: readonly Upstream[],
  options: { readonly finishAbandoned?: boolean; readonly maxRunning?: number } = {},
): Downloads {
  const { blobs, digester, space, log, ends, passed, events } = bench;
  return createDownloads(
    {
      blobs,
      digester,
      space,
      log,
      now: () => bench.clock,
      random: () => 0,
      onEnd: (end) => ends.push(end),
      onPassed: (result) => passed.push(result),
      onAlone: () => (bench.alone += 1),
      events,
    },
    { finishAbandoned: true, ...options, upstreams },
  );
}

export function wantedFrom(upstreams: readonly Upstream[], bytes = BYTES): WantedBlob {
  const { sha1, size } = factsOf(bytes);
  return { sha1, size, sources: upstreams.map(sourceAt), requestId: REQUEST_ID };
}

/** Reads a source to its end, as a response does, and closes it. */
export async function drain(source: ByteSource, signal = new AbortController().signal): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const buffer = Buffer.alloc(16 * 1024);
  try {
    for (let at = 0; at < source.size;) {
      const read = await source.read(buffer, at, buffer.length, signal);
      chunks.push(Buffer.from(buffer.subarray(0, read)));
      at += read;
    }
  } finally {
    await source.close();
  }
  return Buffer.concat(chunks);
}

/** Headers and bytes of an obtained blob. */
export async function take(blob: ObtainedBlob): Promise<{ bytes: Buffer; contentMd5: string | undefined }> {
  const { contentMd5 } = await blob.headers;
  return { bytes: await drain(blob.source), contentMd5 };
}

export interface StartedDownload {
  readonly download: Download;
  readonly wrongBytesOf: (readonly string[])[];
}

export async function startOn(
  bench: DownloadBench,
  upstreams: readonly Upstream[],
  finishAbandoned = true,
): Promise<StartedDownload> {
  const { blobs, digester, log, slots, ends, events } = bench;
  const wrongBytesOf: (readonly string[])[] = [];
  const wanted = wantedFrom(upstreams);
  const reservation = await bench.space.reserve(wanted.size);
  assert.ok(reservation);
  const download = startDownload(
    {
      blobs,
      digester,
      log,
      slotsOf: () => slots,
      random: () => 0,
      now: () => bench.clock,
      onWrongBytes: (names) => wrongBytesOf.push(names),
      onUnfit: () => undefined,
      events,
      onEnd: (end) => ends.push(end),
    },
    { isWhole: false, finishAbandoned },
    wanted,
    reservation,
  );
  return { download, wrongBytesOf };
}

/** Seeded bytes, more than come in one piece. */
export function largeBytes(seed: string, size: number): Buffer {
  const bytes = createSeededBytes(seed, size);
  const pieces: Buffer[] = [];
  for (let at = 0; at < size; at += pieces.at(-1)?.length ?? size) pieces.push(bytes.read(at, size - at));
  return Buffer.concat(pieces);
}

/** Transfers without a disk alone, with the blame that they share with downloads. */
export function passingOf(bench: DownloadBench): { readonly passing: Passing; readonly blame: Blame } {
  const { log, slots, passed, events } = bench;
  const blame = createBlame();
  const passing = createPassing({
    log,
    slotsOf: () => slots,
    random: () => 0,
    blame,
    onUnfit: (name, sha1) => blame.add(sha1, [name]),
    onPassed: (result) => passed.push(result),
    onAlone: () => (bench.alone += 1),
    events,
  });
  return { passing, blame };
}

export const upstreamOf = (options: StreamOptions = {}, bytes = BYTES): Upstream =>
  createFakeUpstream('up0', { file: ({ offset }) => fileOf(bytes, { ...options, start: offset }) });

/** What must be true of the disk and its bookkeeping when a download is over and nobody follows it. */
export function assertNothingLeft(bench: DownloadBench, what = ''): void {
  const { space, digester, slots, blobs } = bench;
  assert.deepEqual(
    { space: space.held, hashing: digester.open, slots: slots.inUse },
    { space: 0, hashing: 0, slots: 0 },
    what,
  );
  for (const file of blobs.partials) assert.equal(file.closes, 1, `${what}: the descriptor is closed once`);
}
