/** What a crash, a hand or a bad disk can do to the blob store's files, and what is made of it. */
import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { HELLO, begin, factsOf, isInternal, openDisk, put, read } from './blob-store-bench.ts';

function blobPath(dir: string, sha1: string): string {
  return join(dir, 'blobs', 'sha1', sha1.slice(0, 2), sha1);
}

suite('blob store: disk alone', () => {
  test('the layout is the one that is documented', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = await put(t, store, HELLO);
    const path = blobPath(dir, facts.sha1);
    assert.deepEqual(await readFile(path), HELLO);
    assert.deepEqual(JSON.parse(await readFile(`${path}.json`, 'utf8')), facts);
    assert.deepEqual(await readdir(join(dir, 'partial')), []);
    const partial = await begin(t, store, facts.sha1);
    assert.equal(partial.path, join(dir, 'partial', facts.sha1));
    await partial.discard();
  });

  const damages: readonly {
    readonly what: string;
    readonly fault: RegExp;
    readonly do: (path: string) => Promise<void>;
  }[] = [
    { what: 'without a sidecar', fault: /missing/, do: (path) => rm(`${path}.json`) },
    { what: 'with an empty sidecar', fault: /not JSON/, do: (path) => writeFile(`${path}.json`, '') },
    { what: 'with half a sidecar', fault: /not JSON/, do: (path) => truncate(`${path}.json`, 40) },
    {
      what: 'with a sidecar that lacks fields',
      fault: /lacks/,
      do: (path) => writeFile(`${path}.json`, '{"size":12}'),
    },
    { what: 'that is short', fault: /size/, do: (path) => truncate(path, 3) },
    { what: 'that is empty', fault: /size/, do: (path) => truncate(path, 0) },
    { what: 'that is too long', fault: /size/, do: (path) => truncate(path, 100) },
  ];
  for (const { what, fault, do: damage } of damages) {
    test(`a blob ${what} is a miss, goes to quarantine with the reason, and can be fetched again`, async (t) => {
      const { store, dir, log } = await openDisk(t);
      const facts = await put(t, store, HELLO);
      const path = blobPath(dir, facts.sha1);
      await damage(path);
      const { size } = await stat(path);
      // Two at once: one moves it, one line is logged.
      assert.deepEqual(await Promise.all([read(store, facts), read(store, facts)]), [undefined, undefined]);
      const names = (await readdir(join(dir, 'quarantine'))).toSorted();
      assert.equal(names.length, 2);
      const [kept = '', reason = ''] = names;
      assert.match(kept, new RegExp(`^${facts.sha1}-\\d{8}T\\d{9}Z$`));
      assert.equal(reason, `${kept}.json`);
      assert.equal((await stat(join(dir, 'quarantine', kept))).size, size);
      assert.match(JSON.parse(await readFile(join(dir, 'quarantine', reason), 'utf8')).fault, fault);
      assert.equal(log.linesOf('warn').length, 1);
      assert.deepEqual(store.totals(), { blobs: 0, bytes: 0 });

      await put(t, store, HELLO);
      assert.deepEqual(await read(store, facts), HELLO);
      assert.equal(log.linesOf('warn').length, 1);
    });
  }

  test('a sidecar alone, as a crash between the two renames leaves it, is a miss and no fault', async (t) => {
    const { store, dir, log } = await openDisk(t);
    const facts = await put(t, store, HELLO);
    await rm(blobPath(dir, facts.sha1));
    assert.equal(await store.facts(facts.sha1, facts.size), undefined);
    assert.deepEqual(store.totals(), { blobs: 0, bytes: 0 });
    assert.equal(log.linesOf(/vanished/).length, 1);
    await put(t, store, HELLO);
    assert.deepEqual(await read(store, facts), HELLO);
  });

  test('the sidecar is in place before the blob: where the blob cannot follow, there is no blob', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = factsOf(HELLO);
    const path = blobPath(dir, facts.sha1);
    // A directory that is not empty cannot be renamed over.
    await mkdir(join(path, 'obstacle'), { recursive: true });
    const partial = await begin(t, store, facts.sha1);
    await partial.handle.write(HELLO, 0, HELLO.length, 0);
    await assert.rejects(partial.commit(facts), isInternal);
    assert.deepEqual(JSON.parse(await readFile(`${path}.json`, 'utf8')), facts);
    assert.deepEqual(await readFile(partial.path), HELLO);
    await rm(path, { recursive: true });
    await partial.commit(facts);
    assert.deepEqual(await read(store, facts), HELLO);
  });

  test('where the sidecar cannot be put in place, the blob does not appear', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = factsOf(HELLO);
    const path = blobPath(dir, facts.sha1);
    await mkdir(join(`${path}.json`, 'obstacle'), { recursive: true });
    const partial = await begin(t, store, facts.sha1);
    await partial.handle.write(HELLO, 0, HELLO.length, 0);
    await assert.rejects(partial.commit(facts), isInternal);
    await assert.rejects(stat(path), { code: 'ENOENT' });
    assert.deepEqual(store.totals(), { blobs: 0, bytes: 0 });
    await partial.discard();
    assert.deepEqual(await readdir(join(dir, 'partial')), []);
  });

  test('a storage error is no miss: a file in place of the shard', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = factsOf(HELLO);
    await mkdir(join(dir, 'blobs', 'sha1'), { recursive: true });
    await writeFile(join(dir, 'blobs', 'sha1', facts.sha1.slice(0, 2)), 'not a directory');
    const isUnknown = { ...isInternal, message: /ENOTDIR/ };
    await assert.rejects(store.open(facts.sha1, facts.size), isUnknown);
    await assert.rejects(store.facts(facts.sha1, facts.size), isUnknown);
    await assert.rejects(store.scan(), isUnknown);
  });

  test('a storage error is no miss: a sidecar that cannot be read leaves the blob where it is', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = await put(t, store, HELLO);
    const sidecar = `${blobPath(dir, facts.sha1)}.json`;
    await rename(sidecar, `${sidecar}.away`);
    await mkdir(sidecar);
    await assert.rejects(store.open(facts.sha1, facts.size), isInternal);
    assert.deepEqual(await readFile(blobPath(dir, facts.sha1)), HELLO);
    await rm(sidecar, { recursive: true });
    await rename(`${sidecar}.away`, sidecar);
    assert.deepEqual(await read(store, facts), HELLO);
  });

  test('a partial that cannot be begun leaves its sha1 free', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = factsOf(HELLO);
    await writeFile(join(dir, 'partial'), 'not a directory');
    await assert.rejects(store.createPartial(facts.sha1), isInternal);
    await rm(join(dir, 'partial'));
    await (await begin(t, store, facts.sha1)).discard();
  });

  test('an unsound blob that cannot be moved to quarantine is a miss all the same', async (t) => {
    const { store, dir, log } = await openDisk(t);
    const facts = await put(t, store, HELLO);
    await truncate(blobPath(dir, facts.sha1), 3);
    await writeFile(join(dir, 'quarantine'), 'not a directory');
    assert.equal(await read(store, facts), undefined);
    assert.equal(log.linesOf('error').length, 1);
    await put(t, store, HELLO);
    assert.deepEqual(await read(store, facts), HELLO);
  });

  test('quarantine of a partial keeps the bytes and the reason, and never overwrites an earlier one', async (t) => {
    const { store, dir } = await openDisk(t);
    const { sha1 } = factsOf(HELLO);
    for (const found of ['one', 'two']) {
      const partial = await begin(t, store, sha1);
      await partial.handle.write(found, 0);
      await partial.quarantine({ expected: sha1, found });
    }
    const names = (await readdir(join(dir, 'quarantine'))).filter((name) => name.endsWith('.json')).toSorted();
    const reasons = await Promise.all(names.map((name) => readFile(join(dir, 'quarantine', name), 'utf8')));
    assert.deepEqual(
      reasons.map((text) => JSON.parse(text)),
      [
        { sha1, expected: sha1, found: 'one' },
        { sha1, expected: sha1, found: 'two' },
      ],
    );
    assert.deepEqual(await readdir(join(dir, 'partial')), []);
  });

  test('modifiedAt is the time of the file', async (t) => {
    const { store, dir } = await openDisk(t);
    const facts = await put(t, store, HELLO);
    const at = new Date('2026-01-02T03:04:05.000Z');
    await utimes(blobPath(dir, facts.sha1), at, at);
    const opened = await store.open(facts.sha1, facts.size);
    assert(opened);
    await opened.handle.close();
    assert.deepEqual(opened.modifiedAt, at);
  });
});
