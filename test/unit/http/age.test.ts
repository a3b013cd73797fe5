import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageSeconds } from '../../../src/http/age.ts';

test('an age is whole seconds, rounded down, and never negative when a clock was set back', () => {
  assert.equal(ageSeconds(10_000, 10_000), '0');
  assert.equal(ageSeconds(10_000, 10_999), '0');
  assert.equal(ageSeconds(10_000, 71_001), '61');
  assert.equal(ageSeconds(10_000, 5_000), '0');
});
