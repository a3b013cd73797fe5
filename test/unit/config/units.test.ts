import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  counted,
  formatRate,
  formatSize,
  formatTime,
  parseRate,
  parseSize,
  parseTime,
  roughSize,
  roughTime,
  UNITS,
  type Unit,
} from '../../../src/config/units.ts';

test('reads sizes with every unit as powers of 1024', () => {
  assert.deepEqual(['1B', '1KiB', '1MiB', '1GiB', '1TiB'].map(parseSize), [1, 2 ** 10, 2 ** 20, 2 ** 30, 2 ** 40]);
});

test('reads times with every unit', () => {
  assert.deepEqual(['1ms', '1s', '1m', '1h', '1d'].map(parseTime), [1, 1000, 60_000, 3_600_000, 86_400_000]);
});

test('reads fractions and a space before the unit', () => {
  assert.equal(parseSize('1.5 GiB'), 1.5 * 2 ** 30);
  assert.equal(parseTime('0.5s'), 500);
});

test('needs no unit for zero alone', () => {
  assert.equal(parseSize('0'), 0);
  assert.equal(parseTime('0'), 0);
  assert.equal(parseSize('00'), undefined);
});

test('refuses bare numbers, other units, signs and what a number cannot hold', () => {
  for (const text of [
    '200',
    '',
    'GiB',
    '200GB',
    '200G',
    '200gib',
    '-1GiB',
    '+1GiB',
    '1e3B',
    '1GiB ',
    ' 1GiB',
    '1 2GiB',
    '9999TiB1',
  ]) {
    assert.equal(parseSize(text), undefined, text);
  }
  assert.equal(parseSize('999999999999999TiB'), undefined);
  for (const text of ['30', '30sec', '30S', '1h30m', '-5s', 'Infinityms'])
    assert.equal(parseTime(text), undefined, text);
});

function meant(unit: Unit, ...texts: readonly string[]): readonly unknown[] {
  return texts.map((text) => UNITS[unit].meant(text));
}

test('what is meant can be typed: what is too much in any spelling is not meant', () => {
  assert.deepEqual(meant('size', '999999999999999 TB', '8000 TB'), [undefined, '8000TiB']);
  assert.deepEqual(meant('rate', '999999999999999 TB/s'), [undefined]);
  assert.deepEqual(meant('time', '999999999999999 days'), [undefined]);
});

test('tells what was meant by other spellings, and guesses nothing', () => {
  assert.deepEqual(meant('size', '200 GB', '200g', '1.5kb', '3mib'), ['200GiB', '200GiB', '1.5KiB', '3MiB']);
  assert.deepEqual(meant('rate', '5MB/s', '5 mbps', '5M'), ['5MiB', undefined, '5MiB']);
  assert.deepEqual(meant('time', '30 sec', '5 Minutes', '12hrs', '500 msec', '2days'), [
    '30s',
    '5m',
    '12h',
    '500ms',
    '2d',
  ]);
  for (const unit of ['size', 'time', 'rate'] as const)
    for (const text of ['', '200', '5 lightyears', 'GB', '-1GB', '5M ', '1h30m'])
      assert.equal(UNITS[unit].meant(text), undefined, `${unit} ${text}`);
});

test('reads rates as sizes, with or without "/s"', () => {
  assert.equal(parseRate('5MiB'), 5 * 2 ** 20);
  assert.equal(parseRate('5MiB/s'), 5 * 2 ** 20);
  assert.equal(parseRate('5MiB/m'), undefined);
});

test('writes the largest unit that divides the number', () => {
  assert.deepEqual([0, 1, 1024, 1536, 5 * 2 ** 30].map(formatSize), ['0', '1B', '1KiB', '1536B', '5GiB']);
  assert.deepEqual([0, 999, 1000, 90_000, 3_600_000].map(formatTime), ['0', '999ms', '1s', '90s', '1h']);
  assert.equal(formatRate(2 ** 20), '1MiB/s');
});

test('writes for reading to a tenth of the largest unit', () => {
  assert.deepEqual([0, 1, 1023, 1024, 1_600_000].map(roughSize), ['0B', '1B', '1023B', '1KiB', '1.5MiB']);
  const times = [-5, 0, 12, 1000, 90_000, 3_601_000, 200_000_000];
  assert.deepEqual(times.map(roughTime), ['0s', '0s', '12ms', '1s', '1.5m', '1h', '2.3d']);
});

test('what is written reads back as the same number', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 48 }), (value) => {
      assert.equal(parseSize(formatSize(value)), value);
      assert.equal(parseTime(formatTime(value)), value);
      assert.equal(parseRate(formatRate(value)), value);
    }),
  );
});

test('a count is said with its noun', () => {
  assert.deepEqual(
    [0, 1, 2].map((count) => counted(count, 'image')),
    ['0 images', '1 image', '2 images'],
  );
  assert.deepEqual(
    [1, 2].map((count) => counted(count, 'entry', 'entries')),
    ['1 entry', '2 entries'],
  );
});
