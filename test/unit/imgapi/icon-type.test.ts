import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iconTypeOf } from '../../../src/imgapi/icon-type.ts';

test('a known type stays what it is, without its parameters and in small letters', () => {
  const headers = ['image/png', 'IMAGE/JPEG', 'image/gif ; charset=binary', 'application/octet-stream'];
  assert.deepEqual(headers.map(iconTypeOf), ['image/png', 'image/jpeg', 'image/gif', 'application/octet-stream']);
});

test('what a browser could run, and what says nothing, is a heap of bytes', () => {
  for (const type of ['text/html', 'image/svg+xml', 'image/png, text/html', 'application/xhtml+xml', '', undefined]) {
    assert.equal(iconTypeOf(type), 'application/octet-stream', type);
  }
});
