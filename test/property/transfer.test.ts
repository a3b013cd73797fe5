import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFileWriter } from '../../src/downloads/file-writer.ts';
import { createSlots } from '../../src/downloads/slots.ts';
import { createTarget, transferBlob } from '../../src/downloads/transfer.ts';
import { sha1Of } from '../../src/imgapi/ids.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { createSeededBytes } from '../support/image-bytes.ts';
import { createCountedEvents } from '../unit/downloads/counted-events.ts';
import { createFakeFile } from '../unit/downloads/fake-disk.ts';
import { createFakeUpstream, fileOf, sourceAt } from '../unit/downloads/fake-upstream.ts';

const SIZE = 400;
const BYTES = createSeededBytes('property', SIZE).read(0, SIZE);

/** One answer of a source: how it is chunked, where it breaks off, and whether it honours ranges and tells its length. */
interface Plan {
  readonly cutAt: number;
  readonly chunkBytes: number;
  readonly honoursRange: boolean;
  readonly tellsLength: boolean;
}

const plan: fc.Arbitrary<Plan> = fc.record({
  // Often at the very ends: before the first byte, before the last, after all of them.
  cutAt: fc.oneof(fc.nat({ max: SIZE }), fc.constantFrom(0, 1, SIZE - 1, SIZE)),
  chunkBytes: fc.integer({ min: 1, max: SIZE }),
  honoursRange: fc.boolean(),
  tellsLength: fc.boolean(),
});

interface Outcome {
  readonly onDisk: Buffer;
  /** Bytes the upstream sent, those that were skipped included. */
  readonly sent: number;
  readonly attempts: number;
}

/**
 * Runs a transfer from one source that breaks off as planned and then, in the end, works. Plans that bring no new byte are
 * left out where they would be the third in a row: the transfer then rightly gives the source up.
 */
async function run(plans: readonly Plan[], shortWrite: number): Promise<Outcome> {
  const disk = createFakeFile();
  disk.maxWriteBytes = shortWrite;
  let sent = 0;
  const upstream = createFakeUpstream('up0', {
    file: ({ offset }, attempt) => {
      const { cutAt, chunkBytes, honoursRange, tellsLength } = plans[attempt - 1] ?? {
        cutAt: undefined,
        chunkBytes: SIZE,
        honoursRange: true,
        tellsLength: true,
      };
      assert.ok(offset < SIZE, `asked for byte ${offset} of ${SIZE}`);
      const start = honoursRange ? offset : 0;
      const end = Math.max(start, cutAt ?? SIZE);
      sent += end - start;
      return fileOf(BYTES, {
        start,
        chunkBytes,
        ...(cutAt === undefined ? {} : { cutAt: end }),
        ...(tellsLength ? {} : { totalSize: undefined }),
      });
    },
  });
  const slots = createSlots({ upstream: 'up0', count: 1, waitMs: 1000, maxWaiting: 1 });
  const writer = createFileWriter({ handle: disk.handle, position: 0, onWritten: () => undefined });
  const wanted = { sha1: sha1Of(BYTES), size: SIZE, sources: [sourceAt(upstream)], requestId: 'r' };
  const target = createTarget(writer, 0, () => undefined);
  const deps = {
    log: createCaptureLog(),
    slotsOf: () => slots,
    random: () => 0,
    onUnfit: () => undefined,
    events: createCountedEvents(),
  };
  await transferBlob(deps, wanted, target, { signal: new AbortController().signal, isSingleSource: false });
  await writer.flush();
  assert.equal(slots.inUse, 0);
  return { onDisk: disk.bytes, sent, attempts: upstream.files.length };
}

/** What the plans cost by the rules: an answer from the start sends again what is there already. */
function expectedSent(plans: readonly Plan[]): number {
  let received = 0;
  let sent = 0;
  for (const { cutAt, honoursRange } of plans) {
    if (received >= SIZE) return sent;
    const start = honoursRange ? received : 0;
    const end = Math.max(start, cutAt);
    sent += end - start;
    received = Math.max(received, end);
  }
  return received >= SIZE ? sent : sent + SIZE - received;
}

/** True if the transfer may go on through all of them: never three answers in a row without a new byte. */
function isSurvivable(plans: readonly Plan[]): boolean {
  let [received, barren] = [0, 0];
  for (const { cutAt } of plans) {
    barren = cutAt > received ? 0 : barren + 1;
    received = Math.max(received, cutAt);
    if (barren >= 3) return false;
  }
  return true;
}

test('cut at any bytes, with or without ranges, in any chunks: the file is whole and no byte is fetched without need', async () => {
  // Each cut costs a pause of at least 125 ms, so the runs go side by side.
  const survivable = fc.array(plan, { maxLength: 3 }).filter(isSurvivable);
  const batch = fc.array(fc.tuple(survivable, fc.integer({ min: 1, max: SIZE })), { minLength: 40, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(batch, async (runs) => {
      await Promise.all(
        runs.map(async ([plans, shortWrite]) => {
          const { onDisk, sent, attempts } = await run(plans, shortWrite);
          assert.ok(onDisk.equals(BYTES));
          assert.equal(sent, expectedSent(plans));
          assert.ok(attempts <= plans.length + 1);
        }),
      );
    }),
    { numRuns: 5, endOnFailure: true },
  );
});

test('in any chunks, with writes of any shortness, the file is written as it came', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 97 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 50 }),
      async (lengths, shortWrite) => {
        const disk = createFakeFile();
        disk.maxWriteBytes = shortWrite;
        const ends: number[] = [];
        const writer = createFileWriter({ handle: disk.handle, position: 0, onWritten: (end) => ends.push(end) });
        const expected = createSeededBytes('writer', 3_000).read(
          0,
          lengths.reduce((sum, length) => sum + length, 0),
        );
        let at = 0;
        for (const length of lengths) {
          await writer.append(expected.subarray(at, at + length));
          at += length;
        }
        await writer.flush();
        assert.ok(disk.bytes.equals(expected));
        assert.equal(ends.at(-1), expected.length);
      },
    ),
    { numRuns: 50 },
  );
});
