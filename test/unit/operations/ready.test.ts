import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReadiness, type Readiness, type ReadinessDeps } from '../../../src/operations/ready.ts';

const OPTIONS = { keptMs: 3_000, waitMs: 20 };

function readiness(deps: Partial<ReadinessDeps> = {}): Readiness {
  return createReadiness(
    {
      isStopping: () => false,
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

async function failingProbe(): Promise<void> {
  throw new Error('nothing can be written to it: EROFS');
}

test('a disk that fails is a reason, and so is the stop', async () => {
  const { ready, reasons } = await readiness({ probe: failingProbe, isStopping: () => true }).verdict();
  assert.equal(ready, false);
  assert.deepEqual(reasons, [
    'the mirror is stopping',
    'the cache directory cannot be used: nothing can be written to it: EROFS',
  ]);
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
  assert.match(first.reasons.join(), /has not answered for 1 s/);
  const beganMs = performance.now();
  for (let times = 0; times < 100; times++) assert.equal((await verdict()).ready, false);
  assert.ok(performance.now() - beganMs < 2_000);
  assert.equal(asked, 1);
  hangs.resolve();
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal((await verdict()).ready, true);
});
