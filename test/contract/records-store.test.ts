/** One suite for every store the records can lie in. What only sqlite can get wrong is in test/unit/records/sqlite-store.test.ts. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { createRecords } from '../../src/records/records.ts';
import type { ListRecord, Records, RecordsOptions, RecordsStore } from '../../src/records/records.ts';
import { createSqliteStore } from '../../src/records/sqlite-store.ts';
import { isImageUuid, isSha1Hex } from '../../src/imgapi/ids.ts';
import type { ImageUuid, Sha1Hex } from '../../src/imgapi/ids.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';

/** Each call opens the same data again, as after a restart. */
type OpenStore = () => RecordsStore;

const IMPLEMENTATIONS: readonly { readonly name: string; readonly prepare: (t: TestContext) => Promise<OpenStore> }[] =
  [
    {
      name: 'node:sqlite',
      async prepare(t) {
        const file = join(await makeTempDir(t), 'records.sqlite');
        return () => createSqliteStore(file);
      },
    },
    {
      name: 'Map',
      async prepare() {
        const map = new Map<string, unknown>();
        return () => map;
      },
    },
  ];

function uuid(number: number): ImageUuid {
  const text = `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
  assert(isImageUuid(text));
  return text;
}

function sha1(digit: string): Sha1Hex {
  const text = digit.repeat(40);
  assert(isSha1Hex(text));
  return text;
}

const LIST: ListRecord = {
  fetchedAt: '2026-11-01T10:00:00.000Z',
  etag: '"abc"',
  // Strings that begin with a colon, big numbers and null are what a clever serializer would spoil.
  images: [{ uuid: uuid(1), name: ':base64:AAAA', size: 1e21, nested: { b: ':x', a: null } }, 'junk', null],
};
const MANIFEST = {
  upstream: 'first',
  fetchedAt: LIST.fetchedAt,
  manifest: { v: 2, uuid: uuid(7), tags: { ':k': ':v' } },
};
const MINUTE_MS = 60_000;

function openRecords(t: TestContext, openStore: OpenStore, options?: RecordsOptions): Records {
  const records = createRecords({ store: openStore(), log: createCaptureLog() }, { deadlineMs: 5_000, ...options });
  t.after(() => records.close());
  return records;
}

for (const { name, prepare } of IMPLEMENTATIONS) {
  suite(`records: ${name}`, () => {
    test('a list comes back as it was, also after a restart', async (t) => {
      const openStore = await prepare(t);
      const records = openRecords(t, openStore);
      await records.lists.set('first', undefined, LIST);
      assert.deepEqual(await records.lists.get('first', undefined), LIST);
      await records.close();
      assert.deepEqual(await openRecords(t, openStore).lists.get('first', undefined), LIST);
    });

    test('lists of upstreams and channels are kept apart, whatever they are called', async (t) => {
      const records = openRecords(t, await prepare(t));
      const names: [string, string | undefined][] = [
        ['a', undefined],
        ['a', ''],
        ['a', 'null'],
        ['a', '*'],
        ['a:b', 'c'],
        ['a', 'b:c'],
        ['a","b', 'c'],
        ['a', 'b","c'],
      ];
      for (const [index, [upstream, channel]] of names.entries()) {
        await records.lists.set(upstream, channel, { ...LIST, etag: String(index) });
      }
      for (const [index, [upstream, channel]] of names.entries()) {
        assert.equal((await records.lists.get(upstream, channel))?.etag, String(index));
      }
      assert.equal(await records.lists.get('b', undefined), undefined);
    });

    test('a list of two megabytes replaces an older one', async (t) => {
      const records = openRecords(t, await prepare(t));
      const images = Array.from({ length: 2_000 }, (_, index) => ({
        uuid: uuid(index),
        description: 'x'.repeat(1_000),
      }));
      await records.lists.set('first', 'dev', LIST);
      await records.lists.set('first', 'dev', { fetchedAt: LIST.fetchedAt, images });
      assert.deepEqual(await records.lists.get('first', 'dev'), { fetchedAt: LIST.fetchedAt, images });
    });

    test('a looked-up manifest is known in its channel until it expires', async (t) => {
      const openStore = await prepare(t);
      const records = openRecords(t, openStore);
      await records.lookups.set(uuid(7), undefined, MANIFEST, MINUTE_MS);
      await records.lookups.set(uuid(8), undefined, MANIFEST, 1);
      await records.lookups.set(uuid(9), undefined, MANIFEST, 0);
      assert.deepEqual(await records.lookups.get(uuid(7), undefined), MANIFEST);
      assert.equal(await records.lookups.get(uuid(7), 'dev'), undefined);
      assert.equal(await records.lookups.get(uuid(9), undefined), undefined);
      await until(async () => (await records.lookups.get(uuid(8), undefined)) === undefined);
      await records.close();
      assert.deepEqual(await openRecords(t, openStore).lookups.get(uuid(7), undefined), MANIFEST);
    });

    test('a negative answer is known in its channel until it expires', async (t) => {
      const records = openRecords(t, await prepare(t));
      await records.negatives.add(uuid(1), 'dev', MINUTE_MS);
      await records.negatives.add(uuid(2), undefined, 1);
      await records.negatives.add(uuid(3), undefined, 0);
      assert.equal(await records.negatives.has(uuid(1), 'dev'), true);
      assert.equal(await records.negatives.has(uuid(1), undefined), false);
      assert.equal(await records.negatives.has(uuid(3), undefined), false);
      await until(async () => !(await records.negatives.has(uuid(2), undefined)));
    });

    test('clearing the negative answers clears those of an earlier run too, and nothing else', async (t) => {
      const openStore = await prepare(t);
      const first = openRecords(t, openStore);
      await first.negatives.clear();
      await first.negatives.add(uuid(1), undefined, MINUTE_MS);
      await first.lookups.set(uuid(7), undefined, MANIFEST, MINUTE_MS);
      await first.close();
      const second = openRecords(t, openStore);
      assert.equal(await second.negatives.has(uuid(1), undefined), true);
      await second.negatives.clear();
      assert.equal(await second.negatives.has(uuid(1), undefined), false);
      assert.deepEqual(await second.lookups.get(uuid(7), undefined), MANIFEST);
      await second.negatives.add(uuid(1), undefined, MINUTE_MS);
      assert.equal(await second.negatives.has(uuid(1), undefined), true);
      await second.close();
      const third = openRecords(t, openStore);
      assert.equal(await third.negatives.has(uuid(1), undefined), true);
    });

    test('an answer from before the negatives were cleared is not remembered', async (t) => {
      const { negatives } = openRecords(t, await prepare(t));
      const asked = negatives.generation;
      await negatives.clear();
      await negatives.add(uuid(1), undefined, MINUTE_MS, asked);
      assert.equal(await negatives.has(uuid(1), undefined), false);
      await negatives.add(uuid(1), undefined, MINUTE_MS, negatives.generation);
      assert.equal(await negatives.has(uuid(1), undefined), true);
      // Also one that is being added while they are cleared.
      await Promise.all([negatives.add(uuid(2), undefined, MINUTE_MS), negatives.clear()]);
      assert.equal(await negatives.has(uuid(2), undefined), false);
    });

    test('negative answers in force are counted', async (t) => {
      const { negatives } = openRecords(t, await prepare(t));
      await negatives.add(uuid(1), undefined, MINUTE_MS);
      await negatives.add(uuid(1), 'dev', MINUTE_MS);
      await negatives.add(uuid(2), undefined, 1);
      await until(() => negatives.count() === 2);
      await negatives.clear();
      assert.equal(negatives.count(), 0);
    });

    test('beyond their number the oldest negative answers go', async (t) => {
      const records = openRecords(t, await prepare(t), { maxNegatives: 3 });
      for (const number of [1, 2, 3, 1, 4]) await records.negatives.add(uuid(number), undefined, MINUTE_MS);
      const known = await Promise.all([1, 2, 3, 4].map((number) => records.negatives.has(uuid(number), undefined)));
      assert.deepEqual(known, [true, false, true, true]);
    });

    test('the last use is the latest one, at once, after the flush and after a restart', async (t) => {
      const openStore = await prepare(t);
      const records = openRecords(t, openStore, { flushEveryMs: 1 });
      records.lastUse.touch(sha1('a'), 1_000);
      records.lastUse.touch(sha1('a'), 3_000);
      records.lastUse.touch(sha1('a'), 2_000);
      assert.equal(await records.lastUse.get(sha1('a')), 3_000);
      assert.equal(await records.lastUse.get(sha1('b')), undefined);
      records.lastUse.touch(sha1('b'), 4_000);
      await records.close();
      const again = openRecords(t, openStore);
      assert.equal(await again.lastUse.get(sha1('a')), 3_000);
      assert.equal(await again.lastUse.get(sha1('b')), 4_000);
    });

    test('closing twice is harmless, and calls after it are answered', async (t) => {
      const records = openRecords(t, await prepare(t));
      await records.close();
      await records.close();
      records.lastUse.touch(sha1('a'), 1_000);
      await records.lists.set('first', undefined, LIST);
      await records.negatives.has(uuid(1), undefined);
    });
  });
}
