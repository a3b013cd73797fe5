import assert from 'node:assert/strict';
import { readdir, stat, writeFile, readFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { Keyv } from 'keyv';
import { createSqliteStore } from '../../../src/records/sqlite-store.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const fileIn = async (t: TestContext): Promise<string> => join(await makeTempDir(t), 'records.sqlite');

suite('sqlite store', () => {
  test('expired rows are invisible at once and removed some at a time', async (t) => {
    const file = await fileIn(t);
    let now = 1_000_000;
    const store = createSqliteStore(file, { now: () => now });
    t.after(() => store.close());
    const entries = Array.from({ length: 700 }, (_, index) => ({ key: `k${index}`, value: 'v', expires: now + 1_000 }));
    assert.deepEqual(new Set(await store.setMany(entries)), new Set([true]));
    await store.set('for ever', 'v');
    assert.deepEqual(await store.getMany(['k0', 'for ever']), ['v', 'v']);
    now += 1_000;
    assert.deepEqual(await store.getMany(['k0', 'for ever']), [undefined, 'v']);
    assert.deepEqual(await store.hasMany(['k0', 'for ever']), [false, true]);

    const other = new DatabaseSync(file, { readOnly: true });
    t.after(() => other.close());
    const rows = (): unknown => other.prepare('SELECT count(*) AS rows FROM records').get()?.['rows'];
    assert.equal(rows(), 701);
    for (const expected of [202, 3, 4]) {
      now += 10_000;
      await store.set(`tick ${now}`, 'v');
      assert.equal(rows(), expected);
    }
  });

  test('namespaces are kept apart, also where one begins like another or holds wildcards', async (t) => {
    const file = await fileIn(t);
    const store = createSqliteStore(file);
    t.after(() => store.close());
    for (const namespace of ['a', 'ab', '%', 'a_']) {
      store.namespace = namespace;
      await store.set('key', namespace);
    }
    store.namespace = '%';
    await store.clear();
    assert.equal(await store.get('key'), undefined);
    for (const namespace of ['a', 'ab', 'a_']) {
      store.namespace = namespace;
      assert.equal(await store.get('key'), namespace);
    }
    store.namespace = undefined;
    await store.clear();
    store.namespace = 'ab';
    assert.equal(await store.get('key'), undefined);
  });

  test('Keyv uses it as it is, with its expiry', async (t) => {
    const store = createSqliteStore(await fileIn(t));
    const keyv = new Keyv<unknown>({ store, namespace: 'n' });
    keyv.on('error', (error: unknown) => assert.fail(String(error)));
    assert.equal(keyv.store, store);
    assert.equal(await keyv.set('key', { a: 1 }, 60_000), true);
    assert.deepEqual(await keyv.get('key'), { a: 1 });
    assert.equal(await keyv.has('key'), true);
    assert.deepEqual(await keyv.getMany(['key', 'none']), [{ a: 1 }, undefined]);
    assert.equal(await keyv.delete('key'), true);
    assert.equal(await keyv.delete('key'), false);
    assert.deepEqual(await keyv.deleteMany(['key']), [false]);
    await keyv.disconnect();
    store.close();
  });

  test('a batch with an unsound entry writes nothing', async (t) => {
    const store = createSqliteStore(await fileIn(t));
    t.after(() => store.close());
    await assert.rejects(
      store.setMany([
        { key: 'one', value: 'v' },
        { key: 'two', value: { not: 'text' } },
      ]),
      TypeError,
    );
    await assert.rejects(store.set('two', 2), TypeError);
    assert.deepEqual(await store.getMany(['one', 'two']), [undefined, undefined]);
    await store.set('one', 'v');
    assert.equal(await store.get('one'), 'v');
  });

  const damages: readonly { readonly what: string; readonly damage: (file: string) => Promise<void> }[] = [
    { what: 'text', damage: (file) => writeFile(file, 'this is no database, it is a text. '.repeat(300)) },
    {
      what: 'a database with a page overwritten',
      async damage(file) {
        const bytes = await readFile(file);
        await writeFile(file, bytes.fill(0xab, 4096, 3 * 4096));
      },
    },
    {
      what: 'a database cut short',
      async damage(file) {
        await writeFile(file, (await readFile(file)).subarray(0, 4096 + 100));
      },
    },
    {
      what: 'a database of something else',
      async damage(file) {
        await writeFile(file, '');
        const other = new DatabaseSync(file);
        other.exec('CREATE TABLE records (id INTEGER, price REAL)');
        other.close();
      },
    },
  ];
  for (const { what, damage } of damages) {
    test(`${what} in its place is set aside, and a new store begun`, async (t) => {
      const file = await fileIn(t);
      const first = createSqliteStore(file);
      assert.equal(first.setAside, undefined);
      for (let number = 0; number < 20; number += 1) await first.set(`key ${number}`, 'x'.repeat(2_000));
      first.close();
      await damage(file);
      const { size } = await stat(file);
      const second = createSqliteStore(file, { now: () => 123 });
      assert.equal(second.setAside, `${file}.corrupt-123`);
      assert.equal((await stat(second.setAside)).size, size);
      assert.equal(await second.get('key 1'), undefined);
      await second.set('key 1', 'new');
      second.close();
      const third = createSqliteStore(file);
      t.after(() => third.close());
      assert.equal(third.setAside, undefined);
      assert.equal(await third.get('key 1'), 'new');
    });
  }

  test('an empty file is a new store', async (t) => {
    const file = await fileIn(t);
    await writeFile(file, '');
    const store = createSqliteStore(file);
    t.after(() => store.close());
    assert.equal(store.setAside, undefined);
  });

  test('what cannot be opened for another reason is an error, and left alone', async (t) => {
    const file = await fileIn(t);
    await mkdir(file);
    assert.throws(() => createSqliteStore(file), { name: 'MirrorError', code: 'InternalError' });
    assert.deepEqual(await readdir(join(file, '..')), ['records.sqlite']);
  });

  test('after close calls reject and do not throw', async (t) => {
    const store = createSqliteStore(await fileIn(t));
    store.close();
    store.close();
    await assert.rejects(store.get('key'));
    await assert.rejects(store.set('key', 'v'));
  });
});
