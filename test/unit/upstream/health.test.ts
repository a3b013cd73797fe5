import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUpstreamHealth, type UpstreamHealth } from '../../../src/upstream/health.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';

const never = new AbortController().signal;

interface Bench {
  readonly health: UpstreamHealth;
  readonly transitions: string[];
  clockMs: number;
}

function bench(): Bench {
  const transitions: string[] = [];
  const health = createUpstreamHealth(
    { monotonicNow: () => whole.clockMs, onTransition: (kind, to) => transitions.push(`${kind} ${to}`) },
    { name: 'up0', failures: 2, coolDownFirstMs: 100 },
  );
  const whole: Bench = { health, transitions, clockMs: 0 };
  return whole;
}

function tripped(): Bench {
  const it = bench();
  it.health.report('file', 'failed');
  it.health.report('file', 'failed');
  return it;
}

const fails = async (): Promise<never> => Promise.reject(unavailable('up0', 'connect', 'ECONNREFUSED'));

test('lists and files are counted apart', () => {
  const { health, transitions } = tripped();
  assert.deepEqual([health.isTripped('file'), health.isTripped('list')], [true, false]);
  assert.deepEqual([health.state('file'), health.state('list')], ['open', 'closed']);
  assert.deepEqual(transitions, ['file open']);
});

test('while it is well everybody asks at once', async () => {
  const { health } = bench();
  const gate = Promise.withResolvers<void>();
  let asked = 0;
  const both = [1, 2].map(async () =>
    health.ask('file', never, async () => {
      asked += 1;
      await gate.promise;
    }),
  );
  assert.equal(asked, 2);
  gate.resolve();
  await Promise.all(both);
});

test('of a tripped upstream one asks, the others wait for it, and ask themselves once it has answered', async () => {
  const { health } = tripped();
  const gate = Promise.withResolvers<string>();
  let asked = 0;
  const ask = async (): Promise<string> => {
    asked += 1;
    return gate.promise;
  };
  const answers = [1, 2, 3].map(async () => health.ask('file', never, ask));
  await Promise.resolve();
  assert.equal(asked, 1);
  gate.resolve('bytes');
  assert.deepEqual(await Promise.all(answers), ['bytes', 'bytes', 'bytes']);
  assert.equal(asked, 3);
  assert.equal(health.isTripped('file'), false);
});

test('who waited for a probe that failed fails like it, without a request of its own', async () => {
  const { health } = tripped();
  let asked = 0;
  const ask = async (): Promise<never> => {
    asked += 1;
    return fails();
  };
  const all = await Promise.allSettled([1, 2, 3].map(async () => health.ask('file', never, ask)));
  assert.equal(asked, 1);
  for (const { status } of all) assert.equal(status, 'rejected');
  await assert.rejects(health.ask('file', never, ask), { code: 'UpstreamUnavailable', message: /ECONNREFUSED/ });
  assert.equal(asked, 2, 'who comes later tries again: the only source is never skipped');
});

test('a probe whose client left tells nothing: the next in line takes its place', async () => {
  const { health } = tripped();
  const gate = Promise.withResolvers<never>();
  const first = health.ask('file', never, async () => gate.promise);
  const second = health.ask('file', never, async () => 'bytes');
  gate.reject(unavailable('up0', 'aborted', 'the request was given up'));
  await assert.rejects(first, { message: /given up/ });
  assert.equal(await second, 'bytes');
});

test('who leaves while it waits for a probe is let go at once', async () => {
  const { health } = tripped();
  const gate = Promise.withResolvers<string>();
  const leave = new AbortController();
  const probe = health.ask('file', never, async () => gate.promise);
  const waiting = health.ask('file', leave.signal, async () => 'bytes');
  leave.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
  await assert.rejects(health.ask('file', leave.signal, fails), { name: 'AbortError' });
  gate.resolve('bytes');
  assert.equal(await probe, 'bytes');
});

test('a probe is due after the cool-down, while nobody is at it', async () => {
  const it = tripped();
  assert.equal(it.health.isProbeDue('file'), false);
  it.clockMs = 100;
  assert.equal(it.health.isProbeDue('file'), true);
  const gate = Promise.withResolvers<string>();
  const probe = it.health.ask('file', never, async () => gate.promise);
  assert.equal(it.health.isProbeDue('file'), false);
  gate.resolve('bytes');
  await probe;
  assert.deepEqual([it.health.isProbeDue('file'), it.health.isTripped('file')], [false, false]);
  assert.deepEqual(it.transitions, ['file open', 'file closed']);
});
