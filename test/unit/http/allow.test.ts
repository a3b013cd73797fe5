import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAllowList, isLoopback } from '../../../src/http/allow.ts';

function verdicts(ranges: readonly string[], addresses: readonly string[]): boolean[] {
  const list = createAllowList(ranges);
  return addresses.map((address) => list.allows(address));
}

test('an empty list serves everyone, whatever their address', () => {
  assert.deepEqual(verdicts([], ['192.0.2.1', '2001:db8::1', '::ffff:192.0.2.1']), [true, true, true]);
  assert.equal(createAllowList([]).allows(undefined), true);
});

test('ranges and single addresses of both families', () => {
  const ranges = ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'];
  assert.deepEqual(
    verdicts(ranges, ['10.255.0.1', '11.0.0.1', '192.0.2.7', '192.0.2.8', '2001:db8:ffff::1', '2001:db9::', '::1']),
    [true, false, true, false, true, false, true],
  );
});

test('a range whose address has bits behind its prefix is the range it lies in', () => {
  assert.deepEqual(verdicts(['10.1.2.3/8'], ['10.9.9.9', '11.0.0.1']), [true, false]);
});

test('an IPv4 address in IPv6 clothes is the same address, in a client and in a range', () => {
  assert.deepEqual(verdicts(['10.0.0.0/8'], ['::ffff:10.1.1.1', '::ffff:a01:101', '::ffff:11.0.0.1']), [
    true,
    true,
    false,
  ]);
  assert.deepEqual(verdicts(['::ffff:10.0.0.0/104'], ['10.1.1.1', '::ffff:10.1.1.1', '11.0.0.1']), [true, true, false]);
});

test('all of one family, and all of both', () => {
  assert.deepEqual(verdicts(['0.0.0.0/0'], ['192.0.2.1', '2001:db8::1']), [true, false]);
  assert.deepEqual(verdicts(['0.0.0.0/0', '::/0'], ['192.0.2.1', '2001:db8::1']), [true, true]);
});

test('the interface of a link-local address is no part of it', () => {
  assert.deepEqual(verdicts(['fe80::/10'], ['fe80::1%eth0', 'fe80::1']), [true, true]);
});

test('what is no address is not served', () => {
  const list = createAllowList(['0.0.0.0/0', '::/0']);
  assert.deepEqual(
    [undefined, '', 'localhost', '10.0.0.0/8'].map((address) => list.allows(address)),
    [false, false, false, false],
  );
});

test('loopback is the machine itself, in every spelling', () => {
  assert.deepEqual(['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '10.0.0.1'].map(isLoopback), [
    true,
    true,
    true,
    true,
    false,
  ]);
});
