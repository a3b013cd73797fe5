import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { planScrub, scrubRate, type CheckedBlob } from '../../../src/blobs/scrub-plan.ts';
import { sha1Of } from '../../../src/imgapi/ids.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const DAY = 86_400_000;
const EVERY = 30 * DAY;

function blob(n: number, size: number, checkedAtMs: number): CheckedBlob {
  return { sha1: sha1Of(Buffer.from(`blob ${n}`)), size, checkedAtMs };
}

test('the budget reads all twice in the time allowed, and is neither too small to end nor felt by anybody', () => {
  assert.equal(scrubRate(10 * GIB, EVERY), 4 * MIB);
  const big = 20_000 * GIB;
  assert.equal(scrubRate(big, EVERY), (2 * big * 1000) / EVERY);
  assert.equal(scrubRate(1000 * big, EVERY), 32 * MIB);
  assert.equal(scrubRate(GIB, 3_600_000), 4 * MIB);
});

test('nothing is planned for an empty store', () => {
  assert.deepEqual(planScrub([], EVERY, 4 * MIB), []);
});

test('a blob alone is read shortly before its time, the least recently checked one first', () => {
  const [late, early] = [blob(1, 4 * MIB, 20 * DAY), blob(2, 4 * MIB, 10 * DAY)];
  const [first, second] = planScrub([late, early], EVERY, 4 * MIB);
  // A second of reading, and a quarter more to be safe.
  assert.deepEqual(first, { ...early, beginAtMs: 40 * DAY - 1250 });
  assert.deepEqual(second, { ...late, beginAtMs: 50 * DAY - 1250 });
});

test('blobs of one day are begun so early that the last of them is in time', () => {
  const rate = 4 * MIB;
  const blobs = Array.from({ length: 100 }, (_, n) => blob(n, rate * 0.8, 0));
  const plan = planScrub(blobs, EVERY, rate);
  assert.equal(plan[0]?.beginAtMs, EVERY - 100_000);
  assert.equal(plan[99]?.beginAtMs, EVERY - 1000);
});

test('law: whoever follows the plan at its budget is never late', () => {
  const rate = 1000;
  const blobs = fc.array(fc.record({ size: fc.nat(50_000), checkedAtMs: fc.nat(1_000_000) }), { maxLength: 30 });
  fc.assert(
    fc.property(blobs, (facts) => {
      const everyMs = 5_000_000;
      const all = facts.map(({ size, checkedAtMs }, n) => blob(n, size, checkedAtMs));
      let nowMs = 0;
      for (const { size, checkedAtMs, beginAtMs } of planScrub(all, everyMs, rate)) {
        nowMs = Math.max(nowMs, beginAtMs) + (size * 1000) / rate;
        assert(nowMs <= checkedAtMs + everyMs + 1e-3);
      }
    }),
  );
});
