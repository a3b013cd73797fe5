import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, parseDays, parseTimeOfDay, parseTimeWindow, wallClockOf } from '../../../src/config/time-window.ts';

const MONDAY = 1;
const TUESDAY = 2;

function windowOf(text: string) {
  const found = parseTimeWindow(text);
  assert.ok(found, text);
  return found;
}

test('times of the day are hours and minutes up to 24:00, and nothing else', () => {
  assert.deepEqual(['00:00', '8:05', '23:59', '24:00'].map(parseTimeOfDay), [0, 485, 1439, 1440]);
  for (const text of ['', '8', '24:01', '12:60', '-1:00', '1:5', 'noon', '12:00:00']) {
    assert.equal(parseTimeOfDay(text), undefined, text);
  }
});

function days(text: string): number[] {
  return [...(parseDays(text) ?? [])].toSorted((a, b) => a - b);
}

test('days are single, in ranges, in lists, and over the week-end', () => {
  assert.deepEqual(days('mon-fri'), [1, 2, 3, 4, 5]);
  assert.deepEqual(days('sat,sun'), [0, 6]);
  assert.deepEqual(days('Fri-Mon'), [0, 1, 5, 6]);
  assert.deepEqual(days('mon-sun'), [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(days('wed'), [3]);
  for (const text of ['', 'monday', 'mon-', '-fri', 'mon-wed-fri', 'mon,,tue']) {
    assert.equal(parseDays(text), undefined, text);
  }
});

test('a window holds its first minute and not its last', () => {
  const morning = windowOf('01:00-05:00');
  const at = (hours: number, minutes: number): boolean =>
    isWithin(morning, { day: MONDAY, minute: hours * 60 + minutes });
  assert.deepEqual([at(0, 59), at(1, 0), at(4, 59), at(5, 0)], [false, true, true, false]);
});

test('a window over midnight belongs to the day on which it began', () => {
  const night = windowOf('22:00-06:00');
  const monday = new Set([MONDAY]);
  const at = (day: number, hour: number): boolean => isWithin(night, { day, minute: hour * 60 }, monday);
  assert.deepEqual([at(MONDAY, 3), at(MONDAY, 21), at(MONDAY, 22)], [false, false, true]);
  assert.deepEqual([at(TUESDAY, 0), at(TUESDAY, 5), at(TUESDAY, 6), at(TUESDAY, 23)], [true, true, false, false]);
});

test('a window that ends where it begins is a whole day, and one may end at midnight', () => {
  const whole = windowOf('08:00-08:00');
  for (let minute = 0; minute < 1440; minute += 30) assert.ok(isWithin(whole, { day: 0, minute }), String(minute));
  const evening = windowOf('20:00-24:00');
  assert.ok(isWithin(evening, { day: 0, minute: 1439 }));
  assert.ok(!isWithin(evening, { day: 0, minute: 0 }));
  for (const text of ['24:00-01:00', '01:00', '01:00-02:00-03:00', '1-2']) {
    assert.equal(parseTimeWindow(text), undefined, text);
  }
});

test('the wall clock is that of the time zone of the process', () => {
  const noon = new Date(2026, 10, 23, 12, 34, 56);
  assert.deepEqual(wallClockOf(noon.getTime()), { day: MONDAY, minute: 12 * 60 + 34 });
});
