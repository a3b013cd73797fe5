import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrefetchSchedule, type PrefetchEntry } from '../../../src/prefetch/schedule.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { createManualClock } from '../upstream/manual-clock.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MIDNIGHT = new Date(2026, 10, 23).getTime();

function entry(over: Partial<PrefetchEntry> = {}): PrefetchEntry {
  return { select: ['name=base'], every: 6 * HOUR, window: null, ...over };
}

/** A run takes `takesMs`; `isDone` tells how it ends. */
function bench(entries: readonly PrefetchEntry[], options: { takesMs?: number; startAt?: number } = {}) {
  const clock = createManualClock(options.startAt ?? MIDNIGHT);
  const runs: { readonly at: number; end: string; readonly select: readonly string[] }[] = [];
  const state = { isDone: true };
  const schedule = createPrefetchSchedule(
    {
      now: clock.now,
      setTimer: clock.setTimer,
      log: createCaptureLog(),
      async run(select, signal) {
        const run = { at: (clock.now() - MIDNIGHT) / HOUR, end: 'running', select };
        runs.push(run);
        const { promise, resolve, reject } = Promise.withResolvers<void>();
        const stop = clock.setTimer(resolve, options.takesMs ?? 1000);
        signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        try {
          await promise;
          run.end = state.isDone ? 'done' : 'failed';
          return state.isDone;
        } catch (error) {
          run.end = 'stopped';
          throw error;
        } finally {
          stop();
        }
      },
    },
    entries,
  );
  const times = (): readonly (readonly [number, string])[] => runs.map(({ at, end }) => [at, end]);
  return { clock, runs, times, state, schedule };
}

/** Hours since midnight as whole minutes. */
function inMinutes(times: readonly (readonly [number, string])[]): readonly (readonly [number, string])[] {
  return times.map(([at, end]) => [Math.round(at * 60), end]);
}

test('each entry runs at the start and then by its own time', async () => {
  const { clock, times, schedule } = bench([entry()]);
  await clock.run(HOUR);
  assert.deepEqual(times(), [], 'nothing before it is started');
  schedule.start();
  await clock.run(13 * HOUR);
  assert.deepEqual(times(), [
    [1, 'done'],
    [7, 'done'],
    [13, 'done'],
  ]);
  await schedule.close();
});

test('entries without a time or a selector never run', async () => {
  const { clock, times, schedule } = bench([entry({ every: null }), entry({ select: [] })]);
  schedule.start();
  await clock.run(48 * HOUR);
  assert.deepEqual(times(), []);
  await schedule.close();
});

test('it waits for its hours, is stopped where they end, and goes on when they begin again', async () => {
  const { clock, times, schedule } = bench([entry({ every: 24 * HOUR, window: '01:00-05:00' })], { takesMs: 6 * HOUR });
  schedule.start();
  await clock.run(50 * HOUR);
  assert.deepEqual(times(), [
    [1, 'stopped'],
    [25, 'stopped'],
    [49, 'running'],
  ]);
  assert.equal(schedule.unfinished, 2);
  await schedule.close();
  assert.equal(times().at(-1)?.[1], 'stopped');
  assert.equal(schedule.unfinished, 2, 'the end of the mirror is not that of its hours');
});

test('hours that end too soon are counted by entry, until it is through', async () => {
  const nightly = (window: string | null): PrefetchEntry => entry({ every: 24 * HOUR, window });
  const options = { takesMs: 2 * HOUR };
  const { clock, schedule } = bench([nightly('01:00-05:00'), nightly(null), nightly('02:00-03:00')], options);
  schedule.start();
  await clock.run(28 * HOUR);
  assert.equal(schedule.unfinished, 2, 'the others are through');
  options.takesMs = HOUR / 2;
  await clock.run(24 * HOUR);
  assert.equal(schedule.unfinished, 0);
  options.takesMs = 5 * HOUR;
  await clock.run(3 * 24 * HOUR);
  assert.equal(schedule.unfinished, 3);
  schedule.update([nightly(null)]);
  assert.equal(schedule.unfinished, 0, 'those it counted are no longer configured');
  await clock.run(HOUR);
  assert.equal(schedule.unfinished, 0);
  await schedule.close();
});

test('hours may go past midnight', async () => {
  const { clock, times, schedule } = bench([entry({ every: 12 * HOUR, window: '22:00-02:00' })]);
  schedule.start();
  await clock.run(48 * HOUR);
  assert.deepEqual(times(), [
    [0, 'done'],
    // Due at noon.
    [22, 'done'],
    [46, 'done'],
  ]);
  await schedule.close();
});

test('a run that was missed while the machine slept is made up for at once', async () => {
  const { clock, times, schedule } = bench([entry({ every: 2 * HOUR, window: '01:00-05:00' })], {
    startAt: MIDNIGHT + 6 * HOUR,
  });
  schedule.start();
  await clock.run(HOUR);
  assert.deepEqual(times(), []);
  // Its timers sleep as well.
  clock.skip(20.5 * HOUR);
  await clock.run(HOUR);
  assert.deepEqual(inMinutes(times()), [[27.5 * 60 + 1, 'done']]);
  await schedule.close();
});

test('what failed is tried again sooner, later and later, and by its own time once it is well', async () => {
  const { clock, times, state, schedule } = bench([entry()], { takesMs: 0 });
  state.isDone = false;
  schedule.start();
  await clock.run(2 * HOUR);
  const minutes = inMinutes(times()).map(([at]) => at);
  assert.deepEqual(minutes, [0, 1, 3, 7, 15, 31, 61, 91]);
  assert.equal(schedule.failing, 1);
  state.isDone = true;
  await clock.run(9 * HOUR);
  assert.deepEqual(inMinutes(times()).slice(8), [
    [121, 'done'],
    [121 + 6 * 60, 'done'],
  ]);
  assert.equal(schedule.failing, 0);
  await schedule.close();
});

test('a clock that is set back puts off nothing by more than the entry’s own time', async () => {
  const { clock, times, schedule } = bench([entry({ every: HOUR })]);
  schedule.start();
  await clock.run(MINUTE);
  clock.skip(-10 * HOUR);
  await clock.run(90 * MINUTE);
  assert.equal(times().length, 2);
  await schedule.close();
});

test('a new configuration stops what is no longer in it, and leaves the rest alone', async () => {
  const [stays, goes, comes] = [entry(), entry({ select: ['name=goes'] }), entry({ select: ['name=comes'] })];
  const { clock, runs, schedule } = bench([goes, stays], { takesMs: HOUR });
  schedule.start();
  await clock.run(MINUTE);
  schedule.update([entry(), comes]);
  await clock.run(2 * HOUR);
  assert.deepEqual(
    runs.map(({ select, end }) => [select[0], end]),
    [
      ['name=goes', 'stopped'],
      ['name=base', 'done'],
      ['name=comes', 'done'],
    ],
  );
  await schedule.close();
  await clock.run(24 * HOUR);
  assert.equal(runs.length, 3);
});
