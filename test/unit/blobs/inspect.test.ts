/** Real files and a real hashing thread: what is found of each kind of damage, and what becomes of the files. */
import assert from 'node:assert/strict';
import { readFile, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { createDigester, type WatchingDigester } from '../../../src/blobs/digester.ts';
import { isJsonObject } from '../../../src/blobs/json-file.ts';
import { createBlobStore, type BlobFacts } from '../../../src/blobs/store.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { put, read } from '../../contract/blob-store-bench.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const MIB = 1024 * 1024;

async function bench(t: TestContext, bytes = Buffer.alloc(5 * MIB + 17, 'an image')) {
  const dir = await makeTempDir(t);
  const log = createCaptureLog();
  const store = createBlobStore({ log }, { dir });
  const digester = createDigester({ threads: 1 });
  t.after(async () => digester.close());
  const facts = await put(t, store, bytes);
  const path = join(dir, 'blobs', 'sha1', facts.sha1.slice(0, 2), facts.sha1);
  const paced: number[] = [];
  const pace = async (piece: number): Promise<void> => void paced.push(piece);
  const inspect = async (from: WatchingDigester = digester) => store.inspect(facts.sha1, { digester: from, pace });
  const sidecar = async (change: Partial<BlobFacts>): Promise<void> =>
    writeFile(`${path}.json`, JSON.stringify({ ...facts, ...change }));
  const keptSidecar = async (): Promise<unknown> => JSON.parse(await readFile(`${path}.json`, 'utf8'));
  const quarantined = async (): Promise<string[]> => readdir(join(dir, 'quarantine')).catch(() => []);
  return { dir, log, store, bytes, facts, path, paced, digester, inspect, sidecar, keptSidecar, quarantined };
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

/** As a disk does it: without a new time of change. */
async function rot(path: string, at: number): Promise<void> {
  const { atime, mtime } = await stat(path);
  await flip(path, at);
  await utimes(path, atime, mtime);
}

test('a blob that is what arrived is right, and was read whole in pieces of a mebibyte', async (t) => {
  const { inspect, paced, bytes, quarantined, store, facts } = await bench(t);
  assert.deepEqual(await inspect(), { result: 'right' });
  assert.deepEqual(paced, [MIB, MIB, MIB, MIB, MIB, 17]);
  assert.deepEqual(await quarantined(), []);
  assert.deepEqual(await read(store, facts), bytes);
});

test('a blob smaller than a piece, and one of exactly some pieces', async (t) => {
  for (const size of [1, MIB, 4 * MIB]) {
    const { inspect } = await bench(t, Buffer.alloc(size, 'x'));
    assert.deepEqual(await inspect(), { result: 'right' });
  }
});

test('one wrong bit: quarantined with the reason, a miss, and whoever has it open is told', async (t) => {
  const { inspect, path, store, facts, quarantined, dir, log } = await bench(t);
  await rot(path, 3 * MIB);
  const opened = await store.open(facts.sha1, facts.size);
  assert(opened);
  assert.equal(opened.isRotten(), false);
  assert.deepEqual(await inspect(), { result: 'rotted', reason: 'sha1 mismatch' });
  assert.equal(opened.isRotten(), true);
  await opened.handle.close();
  assert.equal(await store.open(facts.sha1, facts.size), undefined);
  const [moved, why] = (await quarantined()).toSorted();
  assert(moved?.startsWith(facts.sha1));
  const reason: unknown = JSON.parse(await readFile(join(dir, 'quarantine', why ?? ''), 'utf8'));
  assert(isJsonObject(reason));
  assert.equal(reason['fault'], 'sha1 mismatch');
  assert.deepEqual(reason['sidecar'], facts);
  assert.equal(log.linesOf(/moved to quarantine/).length, 1);
  assert.deepEqual(store.totals(), { blobs: 0, bytes: 0 });
  // What comes in its place is not taken for it.
  const again = await put(t, store, Buffer.alloc(facts.size, 'an image'));
  const fresh = await store.open(again.sha1, again.size);
  assert.equal(fresh?.isRotten(), false);
  await fresh?.handle.close();
});

test('a short blob is rotten without being read', async (t) => {
  const { inspect, path, paced } = await bench(t);
  await truncate(path, MIB);
  assert.deepEqual(await inspect(), { result: 'rotted', reason: 'size is not what arrived' });
  assert.deepEqual(paced, []);
});

test('a missing or damaged sidecar is recorded anew where the SHA-1 is right', async (t) => {
  const { inspect, path, facts, keptSidecar, sidecar, store, bytes, log } = await bench(t);
  await rm(`${path}.json`);
  assert.deepEqual(await inspect(), { result: 'repaired', reason: 'sidecar is missing' });
  const arrivedAt = (await stat(path)).mtime.toISOString();
  assert.deepEqual(await keptSidecar(), { ...facts, source: 'unknown', arrivedAt });
  await writeFile(`${path}.json`, JSON.stringify({ ...facts, sha256: undefined }));
  assert.deepEqual(await inspect(), { result: 'repaired', reason: 'sidecar lacks a field' });
  assert.deepEqual(await keptSidecar(), facts);
  await sidecar({ sha256: '0'.repeat(64) });
  assert.deepEqual(await inspect(), { result: 'repaired', reason: 'sidecar has another sha256' });
  await sidecar({ md5: facts.md5.toLowerCase() });
  assert.deepEqual(await inspect(), { result: 'repaired', reason: 'sidecar has another md5' });
  assert.deepEqual(await keptSidecar(), facts);
  assert.deepEqual(await inspect(), { result: 'right' });
  assert.deepEqual(await read(store, facts), bytes);
  assert.equal(log.linesOf(/recorded anew/).length, 4);
});

test('where neither MD5 nor SHA-256 fits, these are other bytes of the same SHA-1: the file goes', async (t) => {
  const { inspect, sidecar, facts } = await bench(t);
  await sidecar({ sha256: '0'.repeat(64), md5: facts.md5.toLowerCase() });
  assert.deepEqual(await inspect(), { result: 'rotted', reason: 'other bytes of the same sha1' });
});

test('a rotten blob whose sidecar is gone too goes to quarantine', async (t) => {
  const { inspect, path } = await bench(t);
  await rm(`${path}.json`);
  await rot(path, 0);
  assert.deepEqual(await inspect(), { result: 'rotted', reason: 'sha1 mismatch' });
});

/** A digester whose first files fail as they would on a dying disk. */
function failing(inner: WatchingDigester, errors: (MirrorError | undefined)[]): WatchingDigester {
  return {
    ...inner,
    watch(path) {
      const job = inner.watch(path);
      const error = errors.shift();
      return error === undefined ? job : { ...job, hashed: async () => Promise.reject(error) };
    },
  };
}
const eio = (): MirrorError => new MirrorError('InternalError', 'EIO', { details: { errno: 'EIO' } });

test('bytes that the disk cannot read, twice, are lost; once, they are not', async (t) => {
  const lost = await bench(t);
  const found = await lost.inspect(failing(lost.digester, [eio(), eio()]));
  assert.deepEqual(found, { result: 'rotted', reason: 'unreadable: EIO' });
  const shaken = await bench(t);
  assert.deepEqual(await shaken.inspect(failing(shaken.digester, [eio()])), { result: 'right' });
  assert.equal(shaken.log.linesOf(/read wrong and then right/).length, 1);
});

test('a failure that says nothing of the bytes condemns nothing', async (t) => {
  const { inspect, digester, quarantined } = await bench(t);
  const emfile = new MirrorError('InternalError', 'EMFILE', { details: { errno: 'EMFILE' } });
  await assert.rejects(inspect(failing(digester, [emfile])), /EMFILE/);
  assert.deepEqual(await quarantined(), []);
});

test('evicted before, or while it is read: gone, and nothing is wrong with that', async (t) => {
  const { dir, facts, digester, log, quarantined } = await bench(t);
  // As after a restart: the descriptor it was written through would keep it from being evicted.
  const store = createBlobStore({ log }, { dir });
  await store.scan();
  let pieces = 0;
  const pace = async (): Promise<void> => {
    pieces += 1;
    if (pieces === 2) assert.notEqual(await store.upkeep.remove(facts.sha1), 0);
  };
  assert.deepEqual(await store.inspect(facts.sha1, { digester, pace }), { result: 'gone' });
  assert.equal(pieces, 2);
  assert.deepEqual(await store.inspect(facts.sha1, { digester, pace }), { result: 'gone' });
  assert.deepEqual(await quarantined(), []);
  assert.deepEqual(log.linesOf('warn'), []);
});

test('what pace throws ends it', async (t) => {
  const { store, facts, digester } = await bench(t);
  const stop = new Error('stop');
  const pace = async (): Promise<void> => Promise.reject(stop);
  await assert.rejects(store.inspect(facts.sha1, { digester, pace }), stop);
});
