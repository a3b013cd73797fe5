import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allowsRange, matchesTag } from '../../../src/http/conditional.ts';

const TAG = 'da39a3ee5e6b4b0d3255bfef95601890afd80709';
const OTHER = '0000000000000000000000000000000000000000';
const DATE = 'Wed, 21 Oct 2015 07:28:00 GMT';

test('a tag matches quoted, bare, weak, among others, and as *', () => {
  for (const header of [TAG, `"${TAG}"`, `W/"${TAG}"`, `"${OTHER}", "${TAG}"`, ` ${OTHER} , ${TAG} `, '*']) {
    assert.equal(matchesTag(header, TAG), true, header);
  }
});

test('another tag, a part of ours, an empty header or none does not', () => {
  for (const header of [undefined, '', OTHER, `"${OTHER}"`, TAG.slice(0, 39), `"${TAG}x"`, TAG.toUpperCase(), '"*"']) {
    assert.equal(matchesTag(header, TAG), false, String(header));
  }
});

test('a Range is honoured without If-Range, and with our strong tag or our date', () => {
  for (const ifRange of [undefined, TAG, `"${TAG}"`, ` "${TAG}" `, DATE]) {
    assert.equal(allowsRange(ifRange, TAG, DATE), true, String(ifRange));
  }
});

test('a weak tag, another tag, another date or junk asks for the whole', () => {
  const others = [`W/"${TAG}"`, `"${OTHER}"`, 'Wed, 21 Oct 2015 07:28:01 GMT', '', '*', `"${TAG}", "${OTHER}"`];
  for (const ifRange of others) assert.equal(allowsRange(ifRange, TAG, DATE), false, ifRange);
});

test('an empty tag list with an empty own tag is no match by accident', () => {
  assert.equal(matchesTag(undefined, ''), false);
});
