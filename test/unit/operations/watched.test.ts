import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchedOf, type StatusResult } from '../../../src/operations/status.ts';

function status(more: object = {}, moreStorage: object = {}, listAgeSeconds = 5): StatusResult {
  const storage = { freeBytes: 10e9, usedBytes: 5e6, blobs: 1, ...moreStorage };
  const found: object = { upstreams: [{ name: 'up0', listAgeSeconds }], downloads: [], ...more, storage };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of it that this is about
  return found as StatusResult;
}

test('time alone is no change, nor is the little that others write to the disk', () => {
  assert.equal(watchedOf(status({}, { freeBytes: 10e9 + 4096 }, 6)), watchedOf(status()));
});

test('everything else is a change', () => {
  const changed = [
    status({}, { freeBytes: 9e9 }),
    status({}, { blobs: 2 }),
    status({}, { freeBytes: NaN }),
    status({ downloads: [{ received: 1 }] }),
    status({ upstreams: [{ name: 'up0', listAgeSeconds: 5, problem: 'gone' }] }),
  ];
  for (const one of changed) assert.notEqual(watchedOf(one), watchedOf(status()));
});
