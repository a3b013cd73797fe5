import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearest } from '../../../src/config/nearest.ts';

test('finds the word that was meant in spite of a typo, a swap or another case', () => {
  const known = ['maxBytes', 'minFreeBytes', 'dir', 'scrubEvery'];
  assert.equal(nearest('maxByte', known), 'maxBytes');
  assert.equal(nearest('max_bytes', known), 'maxBytes');
  assert.equal(nearest('MAXBYTES', known), 'maxBytes');
  assert.equal(nearest('srcubEvery', known), 'scrubEvery');
  assert.equal(nearest('dri', known), 'dir');
});

test('prefers the nearer of two', () => {
  assert.equal(nearest('hots', ['ports', 'host']), 'host');
});

test('says nothing rather than something far off', () => {
  assert.equal(nearest('prefetch', ['serve', 'config']), undefined);
  assert.equal(nearest('x', ['dir']), undefined);
  assert.equal(nearest('anything', []), undefined);
});

test('does not compare words of absurd length', () => {
  assert.equal(nearest('a'.repeat(1_000_000), ['a'.repeat(99)]), undefined);
});
