import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inTime } from '../../../src/operations/in-time.ts';

test('what comes in time is what it is, its failure too', async () => {
  assert.equal(await inTime(Promise.resolve('soon'), 1_000, 'late'), 'soon');
  await assert.rejects(inTime(Promise.reject(new Error('no')), 1_000, 'late'), /no/);
});

test('what does not come is not waited for, and its failure later harms nobody', async () => {
  const never = Promise.withResolvers<string>();
  assert.equal(await inTime(never.promise, 5, 'late'), 'late');
  never.reject(new Error('nobody asks any more'));
  await new Promise((resolve) => setImmediate(resolve));
});
