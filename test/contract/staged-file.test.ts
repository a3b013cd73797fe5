/** Files that an import has staged: unseen, kept from being removed, and published like downloads. */
import assert from 'node:assert/strict';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { createBlobStore, type DiskBlobStore } from '../../src/blobs/store.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { factsOf, HELLO, isInternal, read } from './blob-store-bench.ts';

const FACTS = factsOf(HELLO);

async function openStore(t: Parameters<typeof makeTempDir>[0]): Promise<{ store: DiskBlobStore; dir: string }> {
  const dir = await makeTempDir(t);
  return { store: createBlobStore({ log: createCaptureLog() }, { dir }), dir };
}

suite('staged files', () => {
  test('are no blobs before they are published, and count as unfinished', async (t) => {
    const { store, dir } = await openStore(t);
    const staged = await store.stage(FACTS.sha1);
    assert.equal(staged.existingBytes, 0);
    const handle = await staged.open();
    await handle.writeFile(HELLO);
    await handle.close();
    assert.equal(await store.facts(FACTS.sha1, FACTS.size), undefined);
    const [leftover] = await store.upkeep.leftovers();
    assert.deepEqual({ place: leftover?.place, isOpen: leftover?.isOpen }, { place: 'partial', isOpen: true });
    // It is in use.
    assert.equal(await store.upkeep.removeLeftover(leftover!), 0);
    await staged.publish(FACTS);
    assert((await read(store, FACTS))?.equals(HELLO));
    assert.deepEqual(await readdir(join(dir, 'partial')), []);
    assert.equal(store.totals().blobs, 1);
    staged.keep();
    await staged.discard();
    assert((await read(store, FACTS))?.equals(HELLO));
  });

  test('that are kept are gone on with, and those that are discarded are gone', async (t) => {
    const { store } = await openStore(t);
    const first = await store.stage(FACTS.sha1);
    await assert.rejects(store.stage(FACTS.sha1), { ...isInternal, message: /another import/ });
    const handle = await first.open();
    await handle.writeFile(HELLO.subarray(0, 4));
    await handle.close();
    first.keep();
    const [left] = await store.upkeep.leftovers();
    assert.equal(left?.isOpen, false);
    const second = await store.stage(FACTS.sha1);
    assert.equal(second.existingBytes, 4);
    await assert.rejects(second.publish(FACTS), isInternal);
    await second.discard();
    await assert.rejects(access(second.path), { code: 'ENOENT' });
    assert.equal((await store.stage(FACTS.sha1)).existingBytes, 0);
  });

  test('do not get in the way of a download of the same blob', async (t) => {
    const { store } = await openStore(t);
    const staged = await store.stage(FACTS.sha1);
    const handle = await staged.open();
    await handle.writeFile(HELLO);
    await handle.close();
    const partial = await store.createPartial(FACTS.sha1);
    t.after(() => partial.handle.close());
    await partial.handle.writeFile(HELLO);
    await partial.commit(FACTS);
    await staged.publish({ ...FACTS, source: 'imported' });
    assert((await read(store, FACTS))?.equals(HELLO));
    assert.deepEqual(await store.upkeep.leftovers(), []);
  });
});
