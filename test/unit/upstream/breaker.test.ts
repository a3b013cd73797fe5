import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBreaker, type Breaker } from '../../../src/upstream/breaker.ts';

interface Bench {
  readonly breaker: Breaker;
  readonly transitions: string[];
  clockMs: number;
}

function bench(): Bench {
  const transitions: string[] = [];
  const breaker = createBreaker(
    { monotonicNow: () => whole.clockMs, onTransition: (to) => transitions.push(to) },
    { failures: 3, coolDownFirstMs: 100, coolDownMostMs: 350 },
  );
  const whole: Bench = { breaker, transitions, clockMs: 5 };
  return whole;
}

function failTimes(breaker: Breaker, times: number): void {
  for (let n = 0; n < times; n++) breaker.fail();
}

test('failures in a row open it; an answer between them begins the count anew', () => {
  const { breaker, transitions } = bench();
  failTimes(breaker, 2);
  breaker.succeed();
  failTimes(breaker, 2);
  assert.equal(breaker.state, 'closed');
  breaker.fail();
  assert.equal(breaker.state, 'open');
  assert.deepEqual(transitions, ['open']);
});

test('it half-opens by itself when the cool-down is over, and an answer closes it', () => {
  const it = bench();
  failTimes(it.breaker, 3);
  it.clockMs += 99;
  assert.equal(it.breaker.state, 'open');
  it.clockMs += 1;
  assert.equal(it.breaker.state, 'half-open');
  it.breaker.succeed();
  assert.equal(it.breaker.state, 'closed');
  assert.deepEqual(it.transitions, ['open', 'closed']);
});

test('each failed try doubles the cool-down up to a bound; getting well takes it back to the first', () => {
  const it = bench();
  failTimes(it.breaker, 3);
  for (const coolDownMs of [100, 200, 350, 350]) {
    it.clockMs += coolDownMs - 1;
    assert.equal(it.breaker.state, 'open', `${coolDownMs}`);
    it.clockMs += 1;
    assert.equal(it.breaker.state, 'half-open', `${coolDownMs}`);
    it.breaker.fail();
  }
  it.breaker.succeed();
  failTimes(it.breaker, 3);
  it.clockMs += 100;
  assert.equal(it.breaker.state, 'half-open');
});

test('failures while it is open, of requests that were under way, prolong nothing', () => {
  const it = bench();
  failTimes(it.breaker, 3);
  it.clockMs += 90;
  failTimes(it.breaker, 5);
  it.clockMs += 10;
  assert.equal(it.breaker.state, 'half-open');
  assert.deepEqual(it.transitions, ['open']);
});

test('an answer closes it during the cool-down too: who must ask anyway may find it well', () => {
  const { breaker } = bench();
  failTimes(breaker, 3);
  breaker.succeed();
  assert.equal(breaker.state, 'closed');
});
