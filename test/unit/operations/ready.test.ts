import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReadiness, type Readiness, type ReadinessDeps } from '../../../src/operations/ready.ts';

const OPTIONS = { keptMs: 3_000, waitMs: 20 };

function readiness(deps: Partial<ReadinessDeps> = {}): Readiness {
  return createReadiness(
    {
      isStopping: () => false,
      isOffline: false,
      hasList: () => true,
      problems: () => [],
      hasKept: async () => false,
      probe: async () => {},
      monotonicNow: () => performance.now(),
      ...deps,
    },
    OPTIONS,
  );
}

test('ready: there is a list and the disk takes what is written', async () => {
  assert.deepEqual(await readiness().verdict(), { ready: true, reasons: [] });
});

test('without any list it is ready if something is kept, else not, and says what the upstreams say', async () => {
  const without = { hasList: () => false, problems: () => ['upstream up0: no route'] };
  assert.equal((await readiness({ ...without, hasKept: async () => true }).verdict()).ready, true);
  assert.deepEqual(await readiness(without).verdict(), {
    ready: false,
    reasons: ['no list of images has come yet, and nothing is kept from before; upstream up0: no route'],
  });
});

const UNWRITABLE = 'nothing can be written to the cache directory: EROFS';
const UNREADABLE = 'the cache directory cannot be read: ENOTDIR';
const fails = (message: string) => async () => Promise.reject(new Error(message));

test('a disk that cannot be written is told, and the mirror serves all the same', async () => {
  const { verdict, state } = readiness({ probe: fails(UNWRITABLE) });
  assert.deepEqual(await verdict(), { ready: true, reasons: [UNWRITABLE] });
  assert.deepEqual(await state(0), { isReady: true, isWritable: false });
});

test('one that cannot be read is told, and everything is passed through; offline nothing can be served', async () => {
  const broken = { hasKept: fails(UNREADABLE), probe: fails(UNWRITABLE) };
  assert.deepEqual(await readiness(broken).verdict(), { ready: true, reasons: [UNREADABLE] });
  assert.deepEqual(await readiness({ ...broken, isOffline: true }).verdict(), { ready: false, reasons: [UNREADABLE] });
  const { ready } = await readiness({ probe: fails(UNWRITABLE), isOffline: true }).verdict();
  assert.equal(ready, true, 'what is stored is served');
});

test('with a disk that fails and no list nothing can be served', async () => {
  const { ready, reasons } = await readiness({ hasList: () => false, hasKept: fails(UNREADABLE) }).verdict();
  assert.equal(ready, false);
  assert.deepEqual(reasons, [UNREADABLE, 'no list of images has come yet, and nothing is kept from before']);
});

test('a mirror that stops is not ready, whatever else', async () => {
  const { verdict, state } = readiness({ probe: fails(UNWRITABLE), isStopping: () => true });
  assert.deepEqual(await verdict(), { ready: false, reasons: ['the mirror is stopping', UNWRITABLE] });
  assert.deepEqual(await state(0), { isReady: false, isWritable: false });
});

test('the disk is asked once in a while, however often somebody wants to know', async () => {
  let nowMs = 0;
  let asked = 0;
  const probe = async (): Promise<void> => void (asked += 1);
  const { verdict } = readiness({ probe, monotonicNow: () => nowMs });
  await Promise.all([verdict(), verdict()]);
  nowMs = 2_999;
  await verdict();
  assert.equal(asked, 1);
  nowMs = 3_000;
  await verdict();
  assert.equal(asked, 2);
});

test('a disk that hangs holds nobody up: the first waits shortly, the others not at all, and it is asked once', async () => {
  let asked = 0;
  const hangs = Promise.withResolvers<void>();
  const probe = async (): Promise<void> => {
    asked += 1;
    await hangs.promise;
  };
  const { verdict } = readiness({ probe });
  const first = await verdict();
  assert.match(first.reasons.join(), /does not answer/);
  const beganMs = performance.now();
  for (let times = 0; times < 100; times++) assert.equal((await verdict()).ready, false);
  assert.ok(performance.now() - beganMs < 2_000);
  assert.equal(asked, 1);
  hangs.resolve();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await verdict()).ready, true);
});

test('who cannot wait is told of a slow disk what it said last, and of one that hangs that it does not answer', async () => {
  let nowMs = 0;
  let hanging: PromiseWithResolvers<void> | undefined;
  const { state, verdict } = readiness({ probe: async () => hanging?.promise, monotonicNow: () => nowMs });
  assert.deepEqual(await state(0), { isReady: true, isWritable: true });
  hanging = Promise.withResolvers();
  nowMs = 3_000;
  assert.deepEqual(await state(0), { isReady: true, isWritable: true }, 'it has been asked just now');
  nowMs = 3_019;
  assert.deepEqual(await state(0), { isReady: true, isWritable: true }, 'it may still answer in time');
  nowMs = 3_020;
  assert.deepEqual(await state(0), { isReady: false, isWritable: false });
  assert.match((await verdict()).reasons.join(), /^the cache directory does not answer$/);
  hanging.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(await state(0), { isReady: true, isWritable: true });
});
