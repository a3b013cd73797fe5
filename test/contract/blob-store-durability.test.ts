/** What is synced when a blob is published or a partial left, and in which order: what a power cut must not undo. Linux tells by /proc. */
import assert from 'node:assert/strict';
import { existsSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
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

  const synced = await recordSyncs(t, dir, () => ({
    isPublished: existsSync(blob),
    hasSidecar: existsSync(`${blob}.json`),
  }));
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

test('a partial that is left is synced with its note and their names, so that a power cut does not cost what came', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('the names behind descriptors are read from /proc/self/fd');
    return;
  }
  const dir = await makeTempDir(t);
  const store = createBlobStore({ log: createCaptureLog() }, { dir });
  const bytes = Buffer.from('half of it');
  const { sha1 } = factsOf(Buffer.from('half of it, and the rest'));
  const file = path.join('partial', sha1);
  for (const hasNote of [true, false]) {
    const partial = await store.createPartial(sha1);
    await partial.handle.write(bytes, 0, bytes.length, 0);
    if (hasNote) await partial.saveNote({ upstreams: ['up0'] });
    else rmSync(path.join(dir, `${file}.note`), { force: true });
    const synced = await recordSyncs(t, dir, () => ({ length: statSync(path.join(dir, file)).size }));
    await partial.keep();
    await partial.handle.close();
    t.mock.restoreAll();
    assert.deepEqual(
      synced.map(({ what, length }) => [what, length]),
      [file, ...(hasNote ? [`${file}.note`] : []), 'partial'].map((what) => [what, bytes.length]),
    );
  }
});

test('a partial that cannot be synced is left all the same, and said so', async (t) => {
  const log = createCaptureLog();
  const store = createBlobStore({ log }, { dir: await makeTempDir(t) });
  const { sha1 } = factsOf(Buffer.from('whatever'));
  const partial = await store.createPartial(sha1);
  await partial.handle.write(Buffer.from('what'), 0, 4, 0);
  t.mock.method(partial.handle, 'sync', () => Promise.reject(new Error('EIO')));
  await partial.keep();
  await partial.handle.close();
  assert.ok(log.linesOf(/a partial could not be synced/).length === 1);
  const again = await store.resumePartial(sha1);
  assert.equal(again.existingBytes, 4);
  await again.discard();
  await again.handle.close();
});

/** What is synced from now on, as paths within `dir`, with what `look` saw just then. */
async function recordSyncs<T extends object>(
  t: TestContext,
  dir: string,
  look: () => T,
): Promise<readonly ({ readonly what: string } & T)[]> {
  const probe = await open(dir, 'r');
  const prototype: unknown = Object.getPrototypeOf(probe);
  await probe.close();
  assert.ok(isHandle(prototype));
  const synced: ({ readonly what: string } & T)[] = [];
  // oxlint-disable-next-line typescript/unbound-method -- it is called with the handle it is for
  const sync = prototype.sync;
  t.mock.method(prototype, 'sync', async function record(this: FileHandle) {
    synced.push({ what: path.relative(dir, readlinkSync(`/proc/self/fd/${this.fd}`)), ...look() });
    await sync.call(this);
  });
  return synced;
}

function isHandle(value: unknown): value is FileHandle {
  return typeof value === 'object' && value !== null && 'sync' in value && typeof value.sync === 'function';
}
