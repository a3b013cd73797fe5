import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createDiskUse } from '../../../src/app/disk-use.ts';

const WAIT_MS = 5;

/** A disk whose use is the number of the look, and a clock; both in the hands of the test. */
function bench(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const state = { looks: 0, nowMs: 0, running: [] as { written: number }[], gate: Promise.resolve() };
  const upkeep = {
    async use() {
      state.looks += 1;
      const usedBytes = state.looks;
      await state.gate;
      return { usedBytes, leftovers: [] };
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a store and of downloads it asks for no more than this
  const [storage, downloads] = [{ blobs: { upkeep }, space: { free: async () => 7 } }, state] as unknown as [
    Parameters<typeof createDiskUse>[0],
    Parameters<typeof createDiskUse>[1],
  ];
  const use = createDiskUse(storage, downloads, () => state.nowMs);
  return {
    state,
    ask: async () => (await use(WAIT_MS)).usedBytes,
    /** Seconds go by, each with what happens in it. */
    pass: async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        state.nowMs += 1_000;
        t.mock.timers.tick(1_000);
        for (let turns = 0; turns < 3; turns++) await turn();
      }
    },
  };
}

test('while nothing runs everybody who asks gets a look of his own', async (t) => {
  const { ask, pass, state } = bench(t);
  assert.deepEqual([await ask(), await ask()], [1, 2]);
  await pass(10);
  assert.equal(state.looks, 2);
  assert.equal(await ask(), 3);
});

test('while downloads run it is looked at once a second, and nobody waits for it', async (t) => {
  const { ask, pass, state } = bench(t);
  state.running = [{ written: 1 }];
  assert.equal(await ask(), 1);
  assert.equal(await ask(), 1);
  await pass(15);
  assert.equal(state.looks, 16);
  assert.equal(await ask(), 16);
  assert.equal(state.looks, 16);
});

test('what was found before a download began is not what a scrape in its midst shows', async (t) => {
  const { ask, state } = bench(t);
  assert.equal(await ask(), 1);
  state.running = [{ written: 1 }];
  assert.equal(await ask(), 2);
  assert.equal(await ask(), 2);
});

test('that ends with the last download, and where nobody has asked for two minutes', async (t) => {
  const { ask, pass, state } = bench(t);
  state.running = [{ written: 1 }];
  await ask();
  await pass(3);
  state.running = [];
  await pass(3);
  const before = state.looks;
  await pass(10);
  assert.equal(state.looks, before);

  state.running = [{ written: 1 }];
  await ask();
  await pass(300);
  assert.ok(state.looks - before < 125, `${state.looks - before} looks`);
});

test('a disk that hangs is asked once, and shows what it told last', async (t) => {
  const { ask, pass, state } = bench(t);
  state.running = [{ written: 1 }];
  await ask();
  const { promise, resolve } = Promise.withResolvers<void>();
  state.gate = promise;
  await pass(1);
  assert.equal(state.looks, 2);
  state.nowMs += 60_000;
  const asked = ask();
  await turn();
  t.mock.timers.tick(WAIT_MS);
  assert.equal(await asked, 1);
  assert.equal(state.looks, 2);
  resolve();
  await pass(2);
  assert.ok(state.looks > 2);
});
