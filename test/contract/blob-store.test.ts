/** One suite for every blob store. What only a disk can get wrong is in blob-store-disk.test.ts. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { BlobFacts } from '../../src/blobs/store.ts';
import { HELLO, begin, factsOf, isInternal, openDisk, put, read } from './blob-store-bench.ts';
import type { Bench } from './blob-store-bench.ts';

const IMPLEMENTATIONS: readonly { readonly name: string; readonly open: (t: TestContext) => Promise<Bench> }[] = [
  { name: 'disk', open: openDisk },
];

for (const { name, open } of IMPLEMENTATIONS) {
  suite(`blob store: ${name}`, () => {
    test('a blob that was committed is opened with its facts, also after a restart', async (t) => {
      const { store, reopen } = await open(t);
      const facts = await put(t, store, HELLO);
      for (const each of [store, reopen()]) {
        assert.deepEqual(await read(each, facts), HELLO);
        assert.deepEqual(await each.facts(facts.sha1, facts.size), facts);
        const opened = await each.open(facts.sha1, facts.size);
        assert(opened);
        await opened.handle.close();
        assert.deepEqual(opened.facts, facts);
        assert(Math.abs(opened.modifiedAt.getTime() - Date.now()) < 3_600_000);
      }
    });

    test('an empty blob is a blob', async (t) => {
      const { store } = await open(t);
      const facts = await put(t, store, Buffer.alloc(0));
      assert.deepEqual(await read(store, facts), Buffer.alloc(0));
    });

    test('a blob that never came is undefined, before anything was ever stored', async (t) => {
      const { store, log } = await open(t);
      const { sha1, size } = factsOf(HELLO);
      assert.equal(await store.open(sha1, size), undefined);
      assert.equal(await store.facts(sha1, size), undefined);
      assert.deepEqual(log.linesOf('warn'), []);
    });

    test('a partial is not a blob', async (t) => {
      const { store } = await open(t);
      const facts = factsOf(HELLO);
      const partial = await begin(t, store, facts.sha1);
      await partial.handle.write(HELLO, 0, HELLO.length, 0);
      assert.equal(await store.open(facts.sha1, facts.size), undefined);
      await partial.discard();
      assert.equal(await store.open(facts.sha1, facts.size), undefined);
    });

    test('a manifest that is wrong about the size gets a miss, and the blob stays for those that are right', async (t) => {
      const { store, log } = await open(t);
      const facts = await put(t, store, HELLO);
      assert.equal(await store.open(facts.sha1, facts.size + 1), undefined);
      assert.equal(log.linesOf('warn').length, 1);
      assert.deepEqual(await read(store, facts), HELLO);
    });

    test('the handle of a partial stays good for reading after the commit and after the discard', async (t) => {
      const { store } = await open(t);
      const facts = factsOf(HELLO);
      for (const verb of ['commit', 'discard'] as const) {
        const partial = await begin(t, store, facts.sha1);
        await partial.handle.write(HELLO, 0, HELLO.length, 0);
        await (verb === 'commit' ? partial.commit(facts) : partial.discard());
        const { buffer, bytesRead } = await partial.handle.read(Buffer.alloc(100), 0, 100, 0);
        assert.deepEqual(buffer.subarray(0, bytesRead), HELLO);
      }
    });

    test('an open blob is read to its end though it is replaced meanwhile', async (t) => {
      const { store } = await open(t);
      const facts = await put(t, store, HELLO);
      const opened = await store.open(facts.sha1, facts.size);
      assert(opened);
      t.after(() => opened.handle.close());
      await put(t, store, HELLO);
      assert.deepEqual(await opened.handle.readFile(), HELLO);
    });

    test('a second partial of the same sha1 is refused until the first has ended', async (t) => {
      const { store } = await open(t);
      const facts = factsOf(HELLO);
      const first = await begin(t, store, facts.sha1);
      await assert.rejects(store.createPartial(facts.sha1), isInternal);
      await first.handle.write(HELLO, 0, HELLO.length, 0);
      await first.commit(facts);
      const second = await begin(t, store, facts.sha1);
      await second.discard();
      const third = await begin(t, store, facts.sha1);
      await third.quarantine({ why: 'test' });
      await (await begin(t, store, facts.sha1)).discard();
    });

    test('a commit of another size than the file is refused, and the partial can still be discarded', async (t) => {
      const { store } = await open(t);
      const facts = factsOf(HELLO);
      const partial = await begin(t, store, facts.sha1);
      await partial.handle.write(HELLO, 0, HELLO.length - 1, 0);
      await assert.rejects(partial.commit(facts), isInternal);
      assert.equal(await store.open(facts.sha1, facts.size), undefined);
      await partial.discard();
      await (await begin(t, store, facts.sha1)).discard();
    });

    test('facts that a later open would refuse are refused by the commit', async (t) => {
      const { store } = await open(t);
      const facts = factsOf(HELLO);
      const partial = await begin(t, store, facts.sha1);
      await partial.handle.write(HELLO, 0, HELLO.length, 0);
      const other = factsOf(Buffer.from('HELLO, image'));
      await assert.rejects(partial.commit({ ...facts, md5: '' }), isInternal);
      await assert.rejects(partial.commit(other), isInternal);
      await partial.commit(facts);
    });

    test('a partial ends once: a second end is refused, a discard after it does nothing', async (t) => {
      const { store } = await open(t);
      const facts = factsOf(HELLO);
      const partial = await begin(t, store, facts.sha1);
      await partial.handle.write(HELLO, 0, HELLO.length, 0);
      const committed = partial.commit(facts);
      await assert.rejects(partial.commit(facts), isInternal);
      await committed;
      await assert.rejects(partial.quarantine({}), isInternal);
      await partial.discard();
      assert.deepEqual(await read(store, facts), HELLO);
    });

    test('totals count each blob once: committed, committed again, found by the scan', async (t) => {
      const { store, reopen } = await open(t);
      assert.deepEqual(store.totals(), { blobs: 0, bytes: 0 });
      await put(t, store, HELLO);
      await put(t, store, Buffer.from('another'));
      await put(t, store, HELLO);
      const expected = { blobs: 2, bytes: HELLO.length + 7 };
      assert.deepEqual(store.totals(), expected);
      await store.scan();
      assert.deepEqual(store.totals(), expected);
      const again = reopen();
      await Promise.all([again.scan(), put(t, again, HELLO), put(t, again, Buffer.from('third'))]);
      assert.deepEqual(again.totals(), { blobs: 3, bytes: expected.bytes + 5 });
    });

    test('a scan of an empty store is done at once, and one that is aborted says why', async (t) => {
      const { store } = await open(t);
      await store.scan();
      await put(t, store, HELLO);
      const reason = new Error('stopping');
      await assert.rejects(store.scan(AbortSignal.abort(reason)), reason);
    });

    test('what an earlier run left unfinished is there to go on with, with its note', async (t) => {
      const { store, reopen } = await open(t);
      const facts = factsOf(HELLO);
      const old = await begin(t, store, facts.sha1);
      await old.handle.write(HELLO, 0, 3, 0);
      const validators = [{ upstream: 'up0', uuid: 'u', index: 1, etag: '"x"', lastModified: 'a day' }];
      await old.saveNote({ contentMd5: facts.md5, upstreams: ['up0'], validators });
      const again = reopen();
      await again.scan();
      const resumed = await again.resumePartial(facts.sha1);
      t.after(() => resumed.handle.close());
      assert.equal(resumed.existingBytes, 3);
      assert.deepEqual(resumed.note, { contentMd5: facts.md5, upstreams: ['up0'], validators });
      await resumed.handle.write(HELLO, 3, HELLO.length - 3, 3);
      await resumed.commit(facts);
      assert.deepEqual(await read(again, facts), HELLO);
      const anew = await again.resumePartial(facts.sha1);
      t.after(() => anew.handle.close());
      assert.deepEqual([anew.existingBytes, anew.note], [0, undefined]);
      await anew.discard();
    });

    test('a partial that is kept is free for another, which goes on with it', async (t) => {
      const { store } = await open(t);
      const { sha1 } = factsOf(HELLO);
      const first = await begin(t, store, sha1);
      await first.handle.write(HELLO, 0, 4, 0);
      await first.keep();
      const second = await store.resumePartial(sha1);
      t.after(() => second.handle.close());
      assert.deepEqual([second.existingBytes, second.note], [4, undefined]);
      await second.discard();
    });

    test('a partial begun over one of an earlier run starts empty, while the scan is under way too', async (t) => {
      const { store, reopen } = await open(t);
      const facts = factsOf(HELLO);
      const old = await begin(t, store, facts.sha1);
      await old.handle.write('something much longer than that', 0);
      const again = reopen();
      const [partial] = await Promise.all([begin(t, again, facts.sha1), again.scan()]);
      assert.equal((await partial.handle.stat()).size, 0);
      await partial.handle.write(HELLO, 0, HELLO.length, 0);
      await partial.commit(facts);
      assert.deepEqual(await read(again, facts), HELLO);
    });

    test('2,000 blobs are scanned and each is opened', async (t) => {
      const { reopen, dir } = await open(t);
      const all = await fill(dir, 2_000);
      const store = reopen();
      await store.scan();
      assert.equal(store.totals().blobs, 2_000);
      await Promise.all(all.map(async ({ sha1, size }) => assert((await store.facts(sha1, size))?.sha1 === sha1)));
    });
  });
}

/** Writes blobs without syncing each: two thousand commits take their time on a slow disk. */
async function fill(dir: string, count: number): Promise<BlobFacts[]> {
  const write = async (_: unknown, index: number): Promise<BlobFacts> => {
    const facts = factsOf(Buffer.from(`blob ${index}`));
    const shard = join(dir, 'blobs', 'sha1', facts.sha1.slice(0, 2));
    await mkdir(shard, { recursive: true });
    await writeFile(join(shard, facts.sha1), `blob ${index}`);
    await writeFile(join(shard, `${facts.sha1}.json`), JSON.stringify(facts));
    return facts;
  };
  return Promise.all(Array.from({ length: count }, write));
}
