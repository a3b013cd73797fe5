import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTrustRecords } from '../../../src/records/trust-records.ts';
import { createBoundedKeyv } from '../../../src/records/bounded-keyv.ts';
import { createTrustWriter } from '../../../src/trust/trust-writer.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { until } from '../../support/wait-for.ts';
import { uuidOf } from '../catalog/fake-catalog.ts';
import { said } from './trust-bench.ts';

function createBench() {
  const log = createCaptureLog();
  const disk = { isFull: true, written: 0 };
  class Store extends Map<string, unknown> {
    override set(key: string, value: unknown): this {
      if (disk.isFull) throw new Error('database or disk is full');
      disk.written += 1;
      return super.set(key, value);
    }
  }
  const records = createTrustRecords({ keyv: createBoundedKeyv({ store: new Store(), log }, { deadlineMs: 500 }) });
  const manifest = said(1, ['a']);
  const remembered = { files: manifest.files, upstream: 'up0', sinceMs: 0, manifest };
  const updated: string[] = [];
  const writer = createTrustWriter(
    {
      records,
      all: () => new Map([[manifest.uuid, remembered]]),
      conflicts: () => [],
      updateKept: async (uuid) => void updated.push(uuid),
      log,
    },
    { retryMs: 20 },
  );
  writer.factsChanged(uuidOf(1));
  writer.manifestChanged(uuidOf(1));
  writer.conflictsChanged();
  writer.keptChanged(uuidOf(1));
  return { disk, records, writer, updated };
}

test('what a full disk does not take is written when there is room again, though nothing has changed since', async (t) => {
  const { disk, records, writer, updated } = createBench();
  t.after(async () => writer.close());
  await writer.flush();
  assert.deepEqual([disk.written, updated], [0, [uuidOf(1)]], 'the files of manifests do not wait for the records');
  disk.isFull = false;
  await until(async () => (await records.facts()).some((text) => text?.startsWith(uuidOf(1)) === true));
  assert.deepEqual(await records.manifest(uuidOf(1)), said(1, ['a']).json);
  assert.deepEqual(await records.conflicts(), []);
});

test('after the close nothing is tried again', async () => {
  const { disk, writer } = createBench();
  await writer.flush();
  await writer.close();
  disk.isFull = false;
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(disk.written, 0);
});
