import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestIdOf } from '../../../src/http/request-context.ts';
import { freshImageUuid } from '../../../src/imgapi/ids.ts';

const THEIRS = '11111111-2222-4333-8444-555555555555';
const OTHER = '99999999-2222-4333-8444-555555555555';
const ours = freshImageUuid();

test("a client's plain uuid is taken from either header, request-id first", () => {
  assert.equal(
    requestIdOf({ 'x-request-id': THEIRS }, () => ours),
    THEIRS,
  );
  assert.equal(
    requestIdOf({ 'request-id': THEIRS }, () => ours),
    THEIRS,
  );
  assert.equal(
    requestIdOf({ 'x-request-id': OTHER, 'request-id': THEIRS }, () => ours),
    THEIRS,
  );
});

test('a header that is no plain uuid gives way to the other, then to ours: the id goes into file names elsewhere', () => {
  for (const junk of [
    '../../etc/passwd',
    '',
    THEIRS.toUpperCase().replace('2', 'A'),
    `${THEIRS} `,
    `${THEIRS}\r\nx: y`,
  ]) {
    assert.equal(
      requestIdOf({ 'x-request-id': junk }, () => ours),
      ours,
      junk,
    );
    assert.equal(
      requestIdOf({ 'request-id': junk, 'x-request-id': THEIRS }, () => ours),
      THEIRS,
      junk,
    );
  }
  assert.equal(
    requestIdOf({ 'x-request-id': [THEIRS, OTHER] }, () => ours),
    ours,
  );
  assert.equal(
    requestIdOf({}, () => ours),
    ours,
  );
});
