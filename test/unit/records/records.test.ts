import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { keyvStorageCapability } from 'keyv';
import { isImageUuid, isSha1Hex } from '../../../src/imgapi/ids.ts';
import { createRecords } from '../../../src/records/records.ts';
import type { RecordsStore } from '../../../src/records/records.ts';
import { createCaptureLog } from '../../support/capture-log.ts';

const UUID = '00000000-0000-4000-8000-000000000001';
assert(isImageUuid(UUID));

/** A store whose every call does the same. */
function storeThat(answer: () => Promise<never>): RecordsStore {
  return {
    capabilities: { ...keyvStorageCapability({}), expires: true },
    get: answer,
    getMany: answer,
    set: answer,
    setMany: answer,
    has: answer,
    hasMany: answer,
    delete: answer,
    clear: answer,
  };
}

suite('records whose store is in trouble', () => {
  const troubles = [
    {
      what: 'rejects',
      store: storeThat(() => Promise.reject(new Error('the store is down'))),
      says: /the store is down/,
    },
    { what: 'never answers', store: storeThat(() => new Promise<never>(() => {})), says: /longer than 5 ms/ },
  ];
  for (const { what, store, says } of troubles) {
    test(`a store that ${what} knows nothing, and that is logged once`, async () => {
      const log = createCaptureLog();
      const records = createRecords({ store, log }, { deadlineMs: 5, flushEveryMs: 1 });
      assert.equal(await records.lists.get('first', undefined), undefined);
      await records.lists.set('first', undefined, { fetchedAt: '2026-11-01T10:00:00Z', images: [] });
      assert.equal(await records.lookups.get(UUID, undefined), undefined);
      assert.equal(await records.negatives.has(UUID, undefined), false);
      await records.negatives.add(UUID, undefined, 1_000);
      await records.negatives.clear();
      await records.close();
      const lines = log.linesOf('warn');
      assert.equal(lines.length, 1);
      assert.match(String(lines[0]?.fields['err']), says);
    });
  }

  test('values of the wrong form count as absent', async () => {
    const map = new Map<string, unknown>();
    const log = createCaptureLog();
    const records = createRecords({ store: map, log });
    await records.lists.set('first', undefined, { fetchedAt: '2026-11-01T10:00:00Z', images: [] });
    const [key] = map.keys();
    assert(key !== undefined);
    const unsound = [
      '"text"',
      'null',
      '[]',
      '{}',
      '{"fetchedAt":"2026-11-01T10:00:00Z"}',
      '{"fetchedAt":"soon","images":[]}',
      '{"fetchedAt":1,"images":[]}',
      '{"fetchedAt":"2026-11-01T10:00:00Z","images":{}}',
      '{"fetchedAt":"2026-11-01T10:00:00Z","images":[],"etag":1}',
    ];
    for (const value of unsound) {
      map.set(key, { value: `{"value":${value}}` });
      assert.equal((await records.lists.get('first', undefined)) ?? undefined, undefined, value);
    }
    map.set(key, { value: '{"value":' });
    assert.equal(await records.lists.get('first', undefined), undefined);
    await records.close();
  });

  test('many touches are written in batches, and a store that fails loses them quietly', async () => {
    const log = createCaptureLog();
    const records = createRecords({ store: storeThat(() => Promise.reject(new Error('down'))), log });
    for (let number = 0; number < 3_000; number += 1) {
      const sha1 = number.toString(16).padStart(40, '0');
      assert(isSha1Hex(sha1));
      records.lastUse.touch(sha1, number);
    }
    await records.close();
    assert.equal(log.linesOf('warn').length, 1);
  });
});
