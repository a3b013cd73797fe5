import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createList, type ListInput, type ListResult } from '../../../src/operations/list.ts';
import { uuidOf } from '../../support/manifest-of.ts';
import { FACTS, fakeKnown, NO_CONTEXT } from './known.ts';

const USED_AT_MS = Date.UTC(2026, 0, 2);
const lastUse = async (): Promise<number> => USED_AT_MS;

async function list(input: ListInput): Promise<ListResult> {
  const { selection } = fakeKnown();
  return createList({ selection, facts: FACTS, lastUse }).run(input, NO_CONTEXT);
}

test('an image in a line: what its manifest says, and how it stands here', async () => {
  const { images, total } = await list({ selectors: ['name=web'] });
  assert.equal(total, 1);
  assert.deepEqual(images, [
    {
      uuid: uuidOf(3),
      name: 'web',
      // Some upstreams write numbers.
      version: '3',
      os: 'smartos',
      type: 'zone-dataset',
      publishedAt: '2022-01-01T00:00:00Z',
      size: 1000,
      origin: uuidOf(1),
      upstreams: ['up0', 'up1'],
      listed: true,
      cached: true,
      pinned: true,
      conflict: false,
      lastUsedAt: '2026-01-02T00:00:00.000Z',
    },
  ]);
  const [other] = (await list({ selectors: ['conflict'] })).images;
  assert.deepEqual([other?.uuid, other?.conflict], [uuidOf(2), true]);
  assert.equal(other?.lastUsedAt, null, 'what is not cached is of no use to anybody');
});

test('a page is a part of what is selected, and the total stays', async () => {
  const pages = [];
  for (const offset of [0, 2, 4, 6]) pages.push(await list({ offset, limit: 2 }));
  assert.deepEqual(
    pages.map(({ images }) => images.length),
    [2, 2, 1, 0],
  );
  assert.ok(pages.every(({ total }) => total === 5));
  const uuids = pages.flatMap(({ images }) => images.map(({ uuid }) => uuid));
  assert.equal(new Set(uuids).size, 5);
});

test('nothing selected is an empty list with the reason', async () => {
  const { images, total, warnings } = await list({ selectors: ['name=nothing'] });
  assert.deepEqual([images, total], [[], 0]);
  assert.match(warnings.join('\n'), /nothing/);
});
