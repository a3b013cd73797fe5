import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparePublishedAt, parsePublishedAt } from '../../../src/imgapi/published-at.ts';

const NOON_MS = Date.UTC(2014, 10, 1, 12, 0, 0);

const READABLE: readonly (readonly [text: string, epochMs: number, nanos: number])[] = [
  ['2014-11-01T12:00:00Z', NOON_MS, 0],
  ['2014-11-01T12:00:00.5Z', NOON_MS + 500, 0],
  ['2014-11-01T12:00:00.47Z', NOON_MS + 470, 0],
  ['2014-11-01T12:00:00.477Z', NOON_MS + 477, 0],
  ['2014-11-01T12:00:00.477761Z', NOON_MS + 477, 761_000],
  ['2014-11-01T12:00:00.47776158Z', NOON_MS + 477, 761_580],
  ['2014-11-01T12:00:00.477761587Z', NOON_MS + 477, 761_587],
  ['2014-11-01T12:00:00.000000001Z', NOON_MS, 1],
  ['2014-11-01T12:00Z', NOON_MS, 0],
  ['2014-11-01T12:00', NOON_MS, 0],
  ['2014-11-01T12:00:00', NOON_MS, 0],
  ['2014-11-01 12:00:00', NOON_MS, 0],
  ['2014-11-01t12:00:00z', NOON_MS, 0],
  ['2014-11-01T14:00:00+02:00', NOON_MS, 0],
  ['2014-11-01T14:00:00+0200', NOON_MS, 0],
  ['2014-11-01T14:00:00+02', NOON_MS, 0],
  ['2014-11-01T06:30:00.25-05:30', NOON_MS + 250, 0],
  ['2014-11-02T00:30:00+12:30', NOON_MS, 0],
  ['2014-11-01', Date.UTC(2014, 10, 1), 0],
  ['2012-02-29T00:00:00Z', Date.UTC(2012, 1, 29), 0],
  ['1969-12-31T23:59:59.999Z', -1, 0],
];

for (const [text, epochMs, nanos] of READABLE) {
  test(`reads ${text}`, () => {
    assert.deepEqual(parsePublishedAt(text), { epochMs, nanos });
  });
}

const UNREADABLE = [
  '',
  'yesterday',
  '2014',
  '2014-11',
  '2014-13-01T00:00:00Z',
  '2014-02-30T00:00:00Z',
  '2013-02-29T00:00:00Z',
  '2014-11-01T24:00:00Z',
  '2014-11-01T12:60:00Z',
  '2014-11-01T12:00:00.Z',
  '2014-11-01T12:00:00.1234567890Z',
  '2014-11-01T12:00:00+24:00',
  '2014-11-01T12:00:00+02:60',
  '2014-11-01T12:00:00Z ',
  '1415404800000',
];

for (const text of UNREADABLE) {
  test(`does not read ${JSON.stringify(text)}`, () => {
    assert.equal(parsePublishedAt(text), undefined);
  });
}

test('orders two images that differ by a nanosecond', () => {
  const earlier = parsePublishedAt('2014-11-01T08:22:41.477761587Z');
  const later = parsePublishedAt('2014-11-01T08:22:41.477761588Z');
  assert.ok(earlier !== undefined && later !== undefined);
  assert.ok(comparePublishedAt(earlier, later) < 0);
  assert.ok(comparePublishedAt(later, earlier) > 0);
  assert.equal(comparePublishedAt(earlier, earlier), 0);
});

test('orders as times what would sort otherwise as text', () => {
  const withoutMs = parsePublishedAt('2014-11-01T08:22:41Z');
  const withMs = parsePublishedAt('2014-11-01T08:22:41.5Z');
  assert.ok(withoutMs !== undefined && withMs !== undefined);
  assert.ok(comparePublishedAt(withoutMs, withMs) < 0);
});
