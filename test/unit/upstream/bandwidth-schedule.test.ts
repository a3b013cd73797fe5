import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLimitAt } from '../../../src/upstream/bandwidth-schedule.ts';

/** A moment of the week that begins on Monday, 23 November 2026, in the time zone of the process. */
const at = (day: number, time: string): number => {
  const [hours = 0, minutes = 0] = time.split(':').map(Number);
  return new Date(2026, 10, 22 + day, hours, minutes).getTime();
};

test('without a limit and a schedule there is none', () => {
  assert.equal(createLimitAt({ limit: null, schedule: [] })(at(1, '12:00')), undefined);
});

test('the first entry that fits is in force, else the plain limit; null lifts it', () => {
  const limitAt = createLimitAt({
    limit: 10,
    schedule: [
      { from: '12:00', to: '13:00', days: 'mon-fri', limit: null },
      { from: '08:00', to: '18:00', days: 'mon-fri', limit: 5 },
      { from: '22:00', to: '06:00', days: 'sun-thu', limit: 100 },
    ],
  });
  const expected: readonly (readonly [number, string, number | undefined])[] = [
    [1, '05:59', 100],
    [1, '06:00', 10],
    [1, '08:00', 5],
    [1, '12:30', undefined],
    [1, '13:00', 5],
    [1, '17:59', 5],
    [1, '18:00', 10],
    [1, '23:00', 100],
    [5, '23:00', 10],
    [6, '09:00', 10],
    [6, '03:00', 10],
    [5, '03:00', 100],
  ];
  for (const [day, time, limit] of expected) assert.equal(limitAt(at(day, time)), limit, `day ${day}, ${time}`);
});
