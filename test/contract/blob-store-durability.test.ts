/** What is synced when a blob is published, and in which order: what a power cut must not undo. Linux tells by /proc. */
import assert from 'node:assert/strict';
import { existsSync, readlinkSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createBlobStore } from '../../src/blobs/store.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { factsOf } from './blob-store-bench.ts';

test('a blob is published by rename after its bytes and its sidecar are synced, and each directory after its change', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('the names behind descriptors are read from /proc/self/fd');
    return;
  }
  const dir = await makeTempDir(t);
  const store = createBlobStore({ log: createCaptureLog() }, { dir });
  const bytes = Buffer.from('to be kept');
  const facts = factsOf(bytes);
  const shard = path.join(dir, 'blobs', 'sha1', facts.sha1.slice(0, 2));
  const blob = path.join(shard, facts.sha1);
  const partial = await store.createPartial(facts.sha1);
  t.after(() => partial.handle.close());
  await partial.handle.write(bytes, 0, bytes.length, 0);

  const probe = await open(dir, 'r');
  const prototype: unknown = Object.getPrototypeOf(probe);
  await probe.close();
  assert.ok(isHandle(prototype));
  const synced: { readonly what: string; readonly isPublished: boolean; readonly hasSidecar: boolean }[] = [];
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the handle it is for
  const sync = prototype.sync;
  t.mock.method(prototype, 'sync', async function record(this: FileHandle) {
    const what = path.relative(dir, readlinkSync(`/proc/self/fd/${this.fd}`));
    synced.push({ what, isPublished: existsSync(blob), hasSidecar: existsSync(`${blob}.json`) });
    await sync.call(this);
  });
  await partial.commit(facts);

  const at = (what: string, state: object): number =>
    synced.findIndex(
      (one) => one.what === what && Object.entries(state).every(([key, is]) => Reflect.get(one, key) === is),
    );
  const order = [
    at(path.join('partial', facts.sha1), { isPublished: false }),
    at(path.join('partial', `${facts.sha1}.json`), { isPublished: false, hasSidecar: false }),
    at(path.relative(dir, shard), { isPublished: false, hasSidecar: true }),
    at(path.relative(dir, shard), { isPublished: true }),
  ];
  assert.ok(
    order.every((place) => place >= 0),
    JSON.stringify(synced),
  );
  assert.deepEqual(
    order.toSorted((a, b) => a - b),
    order,
    JSON.stringify(synced),
  );
  assert.ok(at('partial', { isPublished: true }) >= 0, 'the directory it was taken from');
});

function isHandle(value: unknown): value is FileHandle {
  return typeof value === 'object' && value !== null && 'sync' in value && typeof value.sync === 'function';
}
