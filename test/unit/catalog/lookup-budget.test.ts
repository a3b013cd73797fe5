import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLookupBudget } from '../../../src/catalog/lookup-budget.ts';

function bench() {
  const clock = { ms: 1_000 };
  const budget = createLookupBudget({ monotonicNow: () => clock.ms });
  const takeAll = (upstream: string): number => {
    let taken = 0;
    while (budget.take(upstream)) taken += 1;
    return taken;
  };
  return { clock, takeAll, budget };
}

test('a burst of 200, then 20 per second', () => {
  const { clock, takeAll } = bench();
  assert.equal(takeAll('up0'), 200);
  clock.ms += 1_000;
  assert.equal(takeAll('up0'), 20);
  clock.ms += 49;
  assert.equal(takeAll('up0'), 0);
  clock.ms += 1;
  assert.equal(takeAll('up0'), 1);
});

test('a long rest brings back no more than the burst', () => {
  const { clock, takeAll } = bench();
  takeAll('up0');
  clock.ms += 3_600_000;
  assert.equal(takeAll('up0'), 200);
});

test('many small steps of time add up to the same', () => {
  const { clock, takeAll, budget } = bench();
  takeAll('up0');
  let taken = 0;
  for (let ms = 0; ms < 10_000; ms += 7) {
    clock.ms += 7;
    if (budget.take('up0')) taken += 1;
  }
  assert.ok(taken >= 199 && taken <= 201, `${taken}`);
});

test('each upstream has its own', () => {
  const { takeAll } = bench();
  assert.equal(takeAll('up0'), 200);
  assert.equal(takeAll('up1'), 200);
});
