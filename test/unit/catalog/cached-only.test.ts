import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCachedOnly } from '../../../src/catalog/cached-only.ts';
import { createEntry } from '../../../src/catalog/snapshot.ts';
import { sha1Of, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { imageOf } from './fake-catalog.ts';

const sha1 = (text: string): Sha1Hex => sha1Of(Buffer.from(text));
const file = (text: string, size = 5): object => ({ sha1: sha1(text), size, compression: 'gzip' });
const entryOf = (n: number, files: readonly object[]) => createEntry(imageOf(n, { files }), 'up0');

test('an image is cached when every file of it is stored; one without files never is', async () => {
  const entries = [
    entryOf(1, [file('a')]),
    entryOf(2, [file('a'), file('b')]),
    entryOf(3, [file('b')]),
    entryOf(4, []),
    entryOf(5, [file('a'), file('empty', 0)]),
  ];
  const stored = new Set([sha1('a')]);
  const cachedOnly = createCachedOnly({ hasBlob: (one) => stored.has(one), whenCounted: Promise.resolve() });
  assert.deepEqual(await cachedOnly.filter(entries), [entries[0], entries[4]]);
  stored.add(sha1('b'));
  assert.deepEqual(await cachedOnly.filter(entries), [entries[0], entries[1], entries[2], entries[4]]);
});

test('while the store is being counted a list waits, but not for ever', async (t) => {
  const counted = Promise.withResolvers<void>();
  const cachedOnly = createCachedOnly({ hasBlob: () => true, whenCounted: counted.promise });
  const entries = [entryOf(1, [file('a')])];
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const late = assert.rejects(cachedOnly.filter(entries), {
    code: 'ServiceUnavailableError',
    message: /still being counted/,
  });
  t.mock.timers.tick(10_000);
  await late;
  const inTime = cachedOnly.filter(entries);
  counted.resolve();
  assert.deepEqual(await inTime, entries);
});
