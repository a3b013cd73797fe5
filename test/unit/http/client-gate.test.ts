import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClientGate, type ClientGate, type ClientRules } from '../../../src/http/client-gate.ts';

function bench(rules: Partial<ClientRules>): {
  gate: ClientGate;
  refused: string[];
  enter: (address: string) => () => void;
} {
  const refused: string[] = [];
  const gate = createClientGate(
    { onRefused: (reason) => refused.push(reason) },
    { allow: [], maxResponsesPerClient: null, ...rules },
  );
  return { gate, refused, enter: (address) => gate.enter({ address, isOwnHealthCheck: false }) };
}

test('without rules everyone has as many responses as they like', () => {
  const { enter, refused } = bench({});
  for (let count = 0; count < 1_000; count++) enter('192.0.2.1');
  assert.deepEqual(refused, []);
});

test('who is not allowed is told so, and it is counted', () => {
  const { enter, refused } = bench({ allow: ['10.0.0.0/8'] });
  enter('10.0.0.1');
  assert.throws(() => enter('192.0.2.1'), { code: 'ForbiddenError', message: 'this mirror does not serve 192.0.2.1' });
  assert.deepEqual(refused, ['not_allowed']);
});

test('its own health check is taken whatever the rules', () => {
  const { gate } = bench({ allow: ['10.0.0.0/8'], maxResponsesPerClient: 1 });
  for (let count = 0; count < 3; count++) gate.enter({ address: '127.0.0.1', isOwnHealthCheck: true });
  assert.throws(() => gate.enter({ address: '127.0.0.1', isOwnHealthCheck: false }), { code: 'ForbiddenError' });
});

test('one client has no more responses than its limit, another one its own, and a response that ends makes room', () => {
  const { enter, refused } = bench({ maxResponsesPerClient: 2 });
  const leave = enter('192.0.2.1');
  enter('192.0.2.1');
  assert.throws(() => enter('192.0.2.1'), {
    code: 'ServiceUnavailableError',
    message: /^192\.0\.2\.1 has 2 responses running/,
  });
  enter('192.0.2.2');
  leave();
  enter('192.0.2.1');
  assert.deepEqual(refused, ['too_many_responses']);
});

test('new rules hold from the next request on, and count what runs already', () => {
  const { gate, enter } = bench({});
  const leave = enter('192.0.2.1');
  gate.update({ allow: [], maxResponsesPerClient: 1 });
  assert.throws(() => enter('192.0.2.1'), { code: 'ServiceUnavailableError', isMeant: true });
  leave();
  gate.update({ allow: ['10.0.0.0/8'], maxResponsesPerClient: 1 });
  assert.throws(() => enter('192.0.2.1'), { code: 'ForbiddenError' });
  gate.update({ allow: [], maxResponsesPerClient: null });
  enter('192.0.2.1');
  enter('192.0.2.1');
});
