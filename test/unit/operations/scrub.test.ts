import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { FullScrub, ScrubbedBlob } from '../../../src/blobs/scrub.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { sha1Of } from '../../../src/imgapi/ids.ts';
import type { OperationContext, OperationEvent } from '../../../src/operations/operation.ts';
import type { RefetchEnd } from '../../../src/operations/refetch.ts';
import { createScrubOperation } from '../../../src/operations/scrub.ts';

const [A, B, C] = ['a', 'b', 'c'].map((name) => sha1Of(Buffer.from(name)));
assert(A !== undefined && B !== undefined && C !== undefined);

function context(): OperationContext & { readonly events: OperationEvent[]; readonly abort: AbortController } {
  const events: OperationEvent[] = [];
  const abort = new AbortController();
  return { events, abort, signal: abort.signal, onEvent: (event) => void events.push(event) };
}

/** A scrub whose blobs are checked when the test says so. */
function bench(
  refetched: (sha1: string) => Promise<RefetchEnd> = async () => ({ result: 'stored', reason: undefined }),
) {
  const runs: (FullScrub & { readonly ended: PromiseWithResolvers<void> })[] = [];
  const clock = { nowMs: 0 };
  const operation = createScrubOperation({
    scrub: {
      async checkAll(full) {
        const ended = Promise.withResolvers<void>();
        full.signal.addEventListener('abort', () => ended.reject(full.signal.reason), { once: true });
        runs.push({ ...full, ended });
        await ended.promise;
      },
    },
    refetcher: { refetch: refetched },
    monotonicNow: () => clock.nowMs,
  });
  return { operation, runs, clock };
}

const right = (sha1: typeof A, size: number): ScrubbedBlob => ({ sha1, size, result: 'right' });

test('tells of every kind of end, and sums them up', async () => {
  const { operation, runs } = bench(async (sha1) =>
    sha1 === A ? { result: 'stored', reason: undefined } : { result: 'failed', reason: 'nobody has it' },
  );
  const asked = context();
  const running = operation.run({}, asked);
  const [run] = runs;
  run?.onBegin({ blobs: 6, bytes: 60 });
  run?.onChecked({ sha1: A, size: 10, result: 'rotted', reason: 'sha1 mismatch' });
  run?.onChecked({ sha1: B, size: 10, result: 'rotted', reason: 'unreadable: EIO' });
  run?.onChecked({ sha1: C, size: 10, result: 'repaired', reason: 'sidecar is missing' });
  run?.onChecked({ sha1: C, size: 10, result: 'failed', reason: 'EMFILE' });
  run?.onChecked({ sha1: C, size: 10, result: 'gone' });
  run?.onChecked(right(C, 10));
  run?.ended.resolve();
  assert.deepEqual(await running, {
    checked: 4,
    bytes: 40,
    rotted: [
      { sha1: A, reason: 'sha1 mismatch' },
      { sha1: B, reason: 'unreadable: EIO' },
    ],
    repaired: [{ sha1: C, reason: 'sidecar is missing' }],
    failed: [{ sha1: C, reason: 'EMFILE' }],
    refetched: [A],
    missing: [{ sha1: B, reason: 'nobody has it' }],
  });
  const types = asked.events.map(({ type }) => type).filter((type) => type !== 'progress');
  assert.deepEqual(types, ['rotted', 'rotted', 'repaired', 'failed', 'refetched', 'missing']);
});

test('progress comes at most five times a second, never goes back, and ends at the whole', async () => {
  const { operation, runs, clock } = bench();
  const asked = context();
  const running = operation.run({}, asked);
  const [run] = runs;
  run?.onBegin({ blobs: 2, bytes: 2000 });
  for (let n = 0; n < 100; n += 1) {
    clock.nowMs += 10;
    // Read twice, as what looks rotten is.
    run?.onRead(20);
  }
  run?.onChecked(right(A, 1000));
  run?.onChecked(right(B, 1000));
  run?.ended.resolve();
  await running;
  const bytes = asked.events.map((event) => ('checkedBytes' in event ? Number(event.checkedBytes) : -1));
  assert.equal(bytes.length, 7);
  assert.deepEqual(
    bytes,
    bytes.toSorted((a, b) => a - b),
  );
  assert.deepEqual(asked.events.at(-1), {
    type: 'progress',
    checkedBlobs: 2,
    totalBlobs: 2,
    checkedBytes: 2000,
    totalBytes: 2000,
  });
});

test('who asks while it runs joins it; it is aborted with the last of them', async () => {
  const { operation, runs } = bench();
  const [one, other] = [context(), context()];
  const first = operation.run({}, one);
  const second = operation.run({}, other);
  assert.equal(runs.length, 1);
  runs[0]?.onBegin({ blobs: 1, bytes: 1 });
  assert.deepEqual(one.events, other.events);
  const enough = new Error('enough');
  one.abort.abort(enough);
  await assert.rejects(first, enough);
  assert.equal(runs[0]?.signal.aborted, false);
  other.abort.abort(enough);
  await assert.rejects(second, enough);
  assert.equal(runs[0]?.signal.aborted, true);
  // Who comes while that one is ending gets a run of its own.
  const third = operation.run({}, context());
  assert.equal(runs.length, 2);
  await turn();
  runs[1]?.ended.resolve();
  assert.equal((await third).checked, 0);
  await assert.rejects(operation.run({}, one), enough);
});

test('aborting does not wait for what is being fetched, and a failure reaches everybody', async () => {
  const { operation, runs } = bench(async () => new Promise(() => {}));
  const asked = context();
  const running = operation.run({}, asked);
  runs[0]?.onChecked({ sha1: A, size: 1, result: 'rotted', reason: 'sha1 mismatch' });
  runs[0]?.ended.resolve();
  await turn();
  const enough = new Error('enough');
  asked.abort.abort(enough);
  await assert.rejects(running, enough);

  const both = [operation.run({}, context()), operation.run({}, context())];
  runs[1]?.ended.reject(new MirrorError('ShuttingDown', 'closing'));
  for (const each of both) await assert.rejects(each, { code: 'ShuttingDown' });
});
