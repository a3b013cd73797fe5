import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBandwidth, createDemandWatch, type Bandwidth } from '../../../src/upstream/bandwidth.ts';
import type { BandwidthConfig } from '../../../src/upstream/bandwidth-schedule.ts';
import { createUrgency, DEMAND, type Urgency } from '../../../src/upstream/urgency.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNK = Buffer.alloc(64 * KIB);
const PREFETCH: Urgency = createUrgency('prefetch');
const never = new AbortController().signal;

function limited(limit: number | null, schedule: BandwidthConfig['schedule'] = []): BandwidthConfig {
  return { limit, schedule };
}

interface Bench {
  readonly clock: ManualClock;
  readonly bandwidth: Bandwidth;
  readonly demand: ReturnType<typeof createDemandWatch>;
  /** Begins a transfer whose bytes are always there; counts what is let through. */
  readonly start: (options?: TransferOptions) => Transfer;
}

interface TransferOptions {
  readonly urgency?: Urgency;
  readonly chunk?: Buffer;
  readonly everyMs?: number;
}

interface Transfer {
  bytes: number;
  stop(): void;
}

function bench(config: BandwidthConfig, startAt?: number): Bench {
  const clock = createManualClock(startAt);
  const demand = createDemandWatch();
  const bandwidth = createBandwidth(
    { now: clock.now, monotonicNow: clock.now, setTimer: clock.setTimer, demand },
    config,
  );
  return {
    clock,
    bandwidth,
    demand,
    start({ urgency = DEMAND, chunk = CHUNK, everyMs = 0 } = {}) {
      const abort = new AbortController();
      const counted = { bytes: 0, stop: () => abort.abort() };
      async function* endless(): AsyncGenerator<Buffer> {
        while (!abort.signal.aborted) {
          if (everyMs > 0) await clock.sleep(everyMs);
          yield chunk;
        }
      }
      async function run(): Promise<void> {
        for await (const { length } of bandwidth.pace(endless(), urgency, abort.signal)) counted.bytes += length;
      }
      run().catch(() => {});
      return counted;
    },
  };
}

function within(actual: number, expected: number, share: number, what: string): void {
  assert.ok(Math.abs(actual - expected) <= expected * share, `${what}: ${actual}, expected about ${expected}`);
}

for (const count of [1, 4, 16]) {
  test(`${count} transfers together take the limit, and all of them alike`, async () => {
    const { clock, start } = bench(limited(5 * MIB));
    const transfers = Array.from({ length: count }, () => start());
    await clock.run(10_000);
    const bytes = transfers.map((transfer) => transfer.bytes);
    const sum = bytes.reduce((a, b) => a + b, 0);
    within(sum, 50 * MIB, 0.02, 'sum');
    for (const one of bytes) within(one, sum / count, 0.05, 'share');
    for (const transfer of transfers) transfer.stop();
  });
}

test('who sends small chunks has no smaller share', async () => {
  const { clock, start } = bench(limited(MIB));
  const [large, small] = [start(), start({ chunk: Buffer.alloc(1400) })];
  await clock.run(10_000);
  within(small.bytes, large.bytes, 0.05, 'small against large');
  within(small.bytes + large.bytes, 10 * MIB, 0.03, 'sum');
  large.stop();
  small.stop();
});

test('chunks larger than a second of the limit keep to it all the same', async () => {
  const { clock, start } = bench(limited(4 * KIB));
  const transfer = start();
  await clock.run(160_000);
  // The first chunk goes at once and is waited for behind.
  within(transfer.bytes, 640 * KIB, 0.11, 'sum');
  transfer.stop();
});

test('what was left unused is not caught up, but for a moment', async () => {
  const { clock, start } = bench(limited(MIB));
  await clock.run(60_000);
  const transfer = start();
  await clock.run(1_000);
  within(transfer.bytes, 1.2 * MIB, 0.07, 'after a long pause');
  transfer.stop();
});

test('without a limit nothing waits', async () => {
  const { clock, start, bandwidth } = bench(limited(null));
  const transfer = start({ everyMs: 1 });
  await clock.run(1_000);
  within(transfer.bytes, 1000 * CHUNK.length, 0.01, 'bytes');
  assert.deepEqual([bandwidth.limit, bandwidth.throttledSeconds], [undefined, 0]);
  transfer.stop();
});

test('the schedule changes the pace of what runs, and lifts it', async () => {
  const justBefore = new Date(2026, 10, 23, 7, 59, 50).getTime();
  const { clock, start, bandwidth } = bench(
    limited(MIB, [{ from: '08:00', to: '18:00', days: 'mon', limit: 4 * MIB }]),
    justBefore,
  );
  const transfer = start();
  await clock.run(10_000);
  within(transfer.bytes, 10 * MIB, 0.03, 'before eight');
  assert.equal(bandwidth.limit, 4 * MIB);
  const before = transfer.bytes;
  await clock.run(10_000);
  within(transfer.bytes - before, 40 * MIB, 0.03, 'from eight on');
  transfer.stop();
});

test('another configuration is in force at once, for who waits too', async () => {
  const { clock, start, bandwidth } = bench(limited(KIB));
  const transfer = start({ everyMs: 10 });
  await clock.run(5_000);
  assert.ok(transfer.bytes <= 2 * CHUNK.length, String(transfer.bytes));
  bandwidth.update(limited(null));
  const before = transfer.bytes;
  await clock.run(1_000);
  within(transfer.bytes - before, 100 * CHUNK.length, 0.03, 'unlimited');
  transfer.stop();
});

test('prefetch has all of the limit while nothing else runs', async () => {
  const { clock, start } = bench(limited(5 * MIB));
  const transfers = [start({ urgency: PREFETCH }), start({ urgency: PREFETCH })];
  await clock.run(10_000);
  within(
    transfers.reduce((sum, { bytes }) => sum + bytes, 0),
    50 * MIB,
    0.03,
    'prefetch alone',
  );
  for (const transfer of transfers) transfer.stop();
});

test('demand that wants everything leaves prefetch a trickle, and the sum stays within the limit', async () => {
  const { clock, start } = bench(limited(5 * MIB));
  const prefetches = [start({ urgency: PREFETCH }), start({ urgency: PREFETCH }), start({ urgency: PREFETCH })];
  await clock.run(1_000);
  const before = prefetches.reduce((sum, { bytes }) => sum + bytes, 0);
  const demanded = start();
  await clock.run(10_000);
  const after = prefetches.reduce((sum, { bytes }) => sum + bytes, 0) - before;
  assert.ok(after > 0 && after < 0.04 * 50 * MIB, `prefetches got ${after}`);
  within(demanded.bytes + after, 50 * MIB, 0.03, 'sum');
  demanded.stop();
  for (const transfer of prefetches) transfer.stop();
});

test('prefetch takes what a slow demand leaves', async () => {
  const { clock, start } = bench(limited(5 * MIB));
  const demanded = start({ chunk: Buffer.alloc(10 * KIB), everyMs: 10 });
  const prefetched = start({ urgency: PREFETCH });
  await clock.run(10_000);
  within(demanded.bytes, 10 * MIB * (1000 / 1024), 0.05, 'demand');
  within(prefetched.bytes + demanded.bytes, 50 * MIB, 0.03, 'sum');
  demanded.stop();
  prefetched.stop();
});

test('a prefetch that a client has joined has a demand’s share from then on', async () => {
  const { clock, start } = bench(limited(5 * MIB));
  const urgency = createUrgency('prefetch');
  const [demanded, joined] = [start(), start({ urgency })];
  await clock.run(5_000);
  const before = joined.bytes;
  urgency.upgrade();
  await clock.run(10_000);
  within(joined.bytes - before, 25 * MIB, 0.05, 'joined');
  demanded.stop();
  joined.stop();
});

test('without a limit prefetches crawl while demand brings bytes from anywhere, and go on when it is over', async () => {
  const { clock, start } = bench(limited(null));
  const demanded = start({ everyMs: 5 });
  await clock.run(1_000);
  const prefetches = [start({ urgency: PREFETCH, everyMs: 5 }), start({ urgency: PREFETCH, everyMs: 5 })];
  const sum = (): number => prefetches.reduce((all, { bytes }) => all + bytes, 0);
  await clock.run(10_000);
  within(sum(), 640 * KIB, 0.2, 'crawling');
  demanded.stop();
  await clock.run(2_500);
  const before = sum();
  await clock.run(1_000);
  within(sum() - before, 400 * CHUNK.length, 0.05, 'alone');
  for (const transfer of prefetches) transfer.stop();
});

async function* oneChunk(): AsyncGenerator<Buffer> {
  yield CHUNK;
}

test('an abort ends the wait with its reason, and takes nothing from the others', async () => {
  const { clock, start, bandwidth } = bench(limited(KIB));
  const other = start();
  await clock.run(10);
  const abort = new AbortController();
  const waiting = bandwidth.pace(oneChunk(), DEMAND, abort.signal).next();
  abort.abort(new Error('given up'));
  await assert.rejects(waiting, { message: 'given up' });
  bandwidth.update(limited(MIB));
  const before = other.bytes;
  await clock.run(10_000);
  within(other.bytes - before, 10 * MIB, 0.03, 'other');
  other.stop();
  await assert.rejects(bandwidth.pace(oneChunk(), DEMAND, AbortSignal.abort(new Error('before'))).next(), {
    message: 'before',
  });
});

test('leaving a body early closes it, also while it is paced', async () => {
  const { bandwidth } = bench(limited(null));
  let isClosed = false;
  async function* body(): AsyncGenerator<Buffer> {
    try {
      yield CHUNK;
      yield CHUNK;
    } finally {
      isClosed = true;
    }
  }
  for await (const chunk of bandwidth.pace(body(), DEMAND, never)) {
    assert.equal(chunk, CHUNK);
    break;
  }
  assert.ok(isClosed);
});

test('the time transfers were held back is counted', async () => {
  const { clock, start, bandwidth } = bench(limited(MIB));
  const transfers = [start(), start()];
  await clock.run(10_000);
  // Both always have bytes, and wait for one another.
  within(bandwidth.throttledSeconds, 20, 0.03, 'seconds');
  for (const transfer of transfers) transfer.stop();
});
