import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { createKeyedLock } from '../../../src/blobs/keyed-lock.ts';

suite('keyed lock', () => {
  test('work on one key runs in order, one at a time; another key does not wait', async () => {
    const lock = createKeyedLock();
    const order: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = lock.run('a', async () => {
      await gate.promise;
      order.push('a1');
    });
    const second = lock.run('a', async () => order.push('a2'));
    await lock.run('b', async () => order.push('b1'));
    assert.deepEqual(order, ['b1']);
    gate.resolve();
    await Promise.all([first, second]);
    assert.deepEqual(order, ['b1', 'a1', 'a2']);
  });

  test('a failure is its own caller’s, and the next one runs', async () => {
    const lock = createKeyedLock();
    const failing = lock.run('a', () => Promise.reject(new Error('mine')));
    const next = lock.run('a', async () => 'done');
    await assert.rejects(failing, /mine/);
    assert.equal(await next, 'done');
  });
});
