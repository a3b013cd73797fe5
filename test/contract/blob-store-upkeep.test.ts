/** What the blob store removes to stay within its room, and what it does not. */
import assert from 'node:assert/strict';
import { readFile, readdir, rm, stat, utimes, writeFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { createBlobStore } from '../../src/blobs/store.ts';
import { usedWithout } from '../../src/blobs/upkeep.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { HELLO, begin, put, read } from './blob-store-bench.ts';

async function bench(t: Parameters<typeof makeTempDir>[0]) {
  const dir = await makeTempDir(t);
  const log = createCaptureLog();
  const reopen = () => createBlobStore({ log }, { dir });
  return { dir, log, reopen, store: reopen() };
}

function blobPath(dir: string, sha1: string): string {
  return join(dir, 'blobs', 'sha1', sha1.slice(0, 2), sha1);
}

suite('blob store: upkeep', () => {
  test('a blob stays while the descriptor it was written through is open, as it is for the followers of a download', async (t) => {
    const { store } = await bench(t);
    const facts = await put(t, store, HELLO);
    assert.equal(await store.upkeep.remove(facts.sha1), 0);
    assert.deepEqual(await read(store, facts), HELLO);
  });

  test('an open blob stays; one that is closed goes, its sidecar with it', async (t) => {
    const { reopen, store, dir, log } = await bench(t);
    const facts = await put(t, store, HELLO);
    const again = reopen();
    await again.scan();
    const [stored] = again.upkeep.blobs();
    assert.equal(stored?.footprint, 4096 + 3 * 4096);
    const first = await again.open(facts.sha1, facts.size);
    const second = await again.open(facts.sha1, facts.size);
    assert(first && second);
    await first.handle.close();
    assert.equal(await again.upkeep.remove(facts.sha1), 0);
    assert(again.upkeep.isOpen(facts.sha1));
    await second.handle.close();
    assert.equal(again.upkeep.isOpen(facts.sha1), false);
    assert.equal(await again.upkeep.remove(facts.sha1), stored.footprint);
    assert.deepEqual(await readdir(join(dir, 'blobs', 'sha1', facts.sha1.slice(0, 2))), []);
    assert.equal(await again.upkeep.remove(facts.sha1), 0);
    assert.equal(await read(again, facts), undefined);
    assert.deepEqual(again.totals(), { blobs: 0, bytes: 0 });
    assert.deepEqual(log.linesOf('warn'), []);
    await put(t, again, HELLO);
    assert.deepEqual(await read(again, facts), HELLO);
  });

  test('opened and removed at once, a hundred times: whole bytes or a miss, and nothing in quarantine', async (t) => {
    const { reopen, store, dir, log } = await bench(t);
    const facts = await put(t, store, HELLO);
    const again = reopen();
    await again.scan();
    for (let turn = 0; turn < 100; turn += 1) {
      const [bytes] = await Promise.all([read(again, facts), again.upkeep.remove(facts.sha1), read(again, facts)]);
      if (bytes !== undefined) assert.deepEqual(bytes, HELLO);
      if (!again.upkeep.has(facts.sha1)) {
        const partial = await again.createPartial(facts.sha1);
        await partial.handle.write(HELLO, 0, HELLO.length, 0);
        await partial.commit(facts);
        await partial.handle.close();
      }
    }
    await assert.rejects(readdir(join(dir, 'quarantine')), { code: 'ENOENT' });
    assert.deepEqual(log.linesOf('warn'), []);
  });

  test('a sidecar that a crash in an eviction has left alone is removed by the next scan', async (t) => {
    const { reopen, store, dir, log } = await bench(t);
    const facts = await put(t, store, HELLO);
    const kept = await put(t, store, Buffer.from('another'));
    await rm(blobPath(dir, facts.sha1));
    const again = reopen();
    await again.scan();
    await assert.rejects(stat(`${blobPath(dir, facts.sha1)}.json`), { code: 'ENOENT' });
    assert.deepEqual(JSON.parse(await readFile(`${blobPath(dir, kept.sha1)}.json`, 'utf8')), kept);
    assert.deepEqual(log.linesOf('warn'), []);
  });

  test('unfinished and quarantined files are found with their sizes and ages; one that is being written stays', async (t) => {
    const { store, dir } = await bench(t);
    const wrong = await begin(t, store, (await put(t, store, HELLO)).sha1);
    await wrong.handle.write(HELLO, 0, HELLO.length, 0);
    await wrong.quarantine({ why: 'test' });
    const partial = await begin(t, store, (await put(t, store, Buffer.from('another'))).sha1);
    await partial.handle.write(Buffer.alloc(10_000), 0, 10_000, 0);
    await mkdir(join(dir, 'partial'), { recursive: true });
    await writeFile(join(dir, 'partial', 'README'), 'not ours');
    const { usedBytes: used } = await store.upkeep.use();

    const [running, quarantined] = await store.upkeep.leftovers();
    assert(running?.place === 'partial' && running.isOpen && running.bytes >= 10_000);
    assert(quarantined?.place === 'quarantine' && quarantined.bytes >= 2 * HELLO.length);
    assert.equal(quarantined.paths.length, 2);
    assert.deepEqual((await store.upkeep.use()).leftovers, [quarantined]);
    assert.equal(await store.upkeep.removeLeftover(running), 0);
    assert.equal(await store.upkeep.removeLeftover(quarantined), quarantined.bytes);
    assert.equal(await store.upkeep.removeLeftover(quarantined), 0);
    assert.equal((await store.upkeep.use()).usedBytes, used - quarantined.bytes);

    await partial.keep();
    await utimes(partial.path, 1_000, 1_000);
    const [left] = await store.upkeep.leftovers();
    assert(left !== undefined && !left.isOpen);
    assert.equal(left.changedAtMs, 1_000_000);
    assert.equal((await store.upkeep.use()).usedBytes, used - quarantined.bytes + left.bytes);
    // To the download that goes on with it, it is no obstacle.
    assert.equal(usedWithout(await store.upkeep.use(), left.sha1), used - quarantined.bytes);
    assert.equal(await store.upkeep.removeLeftover(left), left.bytes);
    assert.deepEqual(await readdir(join(dir, 'partial')), ['README']);
  });
});
