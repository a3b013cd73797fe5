import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRange, type RangeAnswer } from '../../../src/http/range.ts';

const whole: RangeAnswer = { kind: 'whole' };
const unsatisfiable: RangeAnswer = { kind: 'unsatisfiable' };
const part = (start: number, end: number): RangeAnswer => ({ kind: 'part', start, end });

const CASES: readonly (readonly [string | undefined, number, RangeAnswer])[] = [
  [undefined, 100, whole],
  ['bytes=0-0', 100, part(0, 1)],
  ['bytes=0-99', 100, part(0, 100)],
  ['bytes=10-19', 100, part(10, 20)],
  ['bytes=90-', 100, part(90, 100)],
  ['bytes=0-', 100, part(0, 100)],
  ['bytes=99-200', 100, part(99, 100)],
  ['bytes=-1', 100, part(99, 100)],
  ['bytes=-500', 100, part(0, 100)],
  ['BYTES=1-2', 100, part(1, 3)],
  ['bytes= 1-2 ', 100, part(1, 3)],
  ['bytes=100-', 100, unsatisfiable],
  ['bytes=100-200', 100, unsatisfiable],
  ['bytes=-0', 100, unsatisfiable],
  ['bytes=0-', 0, unsatisfiable],
  ['bytes=-5', 0, unsatisfiable],
  ['bytes=99999999999999999999999-', 100, unsatisfiable],
  ['bytes=5-99999999999999999999999', 100, part(5, 100)],
  ['bytes=20-10', 100, whole],
  ['bytes=-', 100, whole],
  ['bytes=', 100, whole],
  ['bytes', 100, whole],
  ['', 100, whole],
  ['bytes=0-1,5-6', 100, whole],
  ['bytes=a-b', 100, whole],
  ['bytes=1', 100, whole],
  ['bytes=1-2-3', 100, whole],
  ['bytes=+1-2', 100, whole],
  ['bytes=1.5-2', 100, whole],
  ['bytes=-1-2', 100, whole],
  ['items=0-1', 100, whole],
  ['bytes 0-1', 100, whole],
  ['bytes=0-1\nbytes=2-3', 100, whole],
];

for (const [header, size, expected] of CASES) {
  test(`Range ${JSON.stringify(header)} of ${size} bytes is ${JSON.stringify(expected)}`, () => {
    assert.deepEqual(parseRange(header, size), expected);
  });
}
