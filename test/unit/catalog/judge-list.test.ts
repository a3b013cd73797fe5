import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeList, SHRUNKEN_SEEN_ENOUGH } from '../../../src/catalog/judge-list.ts';

test('the first list is taken, whatever is in it', () => {
  for (const fresh of [0, 1, 1000]) assert.equal(judgeList(undefined, fresh, 0).kind, 'take');
});

test('a list that grew, stayed, or lost up to half of its images is taken at once', () => {
  for (const fresh of [50, 51, 99, 100, 5000]) assert.equal(judgeList(100, fresh, 0).kind, 'take', String(fresh));
});

test('less than half is held back twice and taken the third time in a row', () => {
  assert.equal(SHRUNKEN_SEEN_ENOUGH, 3);
  assert.deepEqual(judgeList(100, 49, 0), { kind: 'hold', why: 'shrank from 100 to 49' });
  assert.equal(judgeList(100, 49, 1).kind, 'hold');
  assert.equal(judgeList(100, 49, 2).kind, 'take');
});

test('an empty list where there was one is held back however often it comes', () => {
  for (const seen of [0, 2, 3, 100]) {
    assert.deepEqual(judgeList(7, 0, seen), { kind: 'hold', why: 'is empty where it had 7' });
  }
});

test('empty after empty is nothing new', () => {
  assert.equal(judgeList(0, 0, 0).kind, 'take');
  assert.equal(judgeList(0, 1, 0).kind, 'take');
});

test('of a single image half is nothing: it may not vanish', () => {
  assert.equal(judgeList(1, 0, 5).kind, 'hold');
  assert.equal(judgeList(1, 1, 0).kind, 'take');
});
