import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { openDataDir } from '../../../src/records/data-dir.ts';
import type { DataDir } from '../../../src/records/data-dir.ts';
import { readServing } from '../../../src/records/serving-file.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

async function openIn(t: TestContext, dir: string, pid = 4242): Promise<DataDir> {
  const dataDir = await openDataDir({ log: createCaptureLog() }, { dir, pid });
  t.after(() => dataDir.close());
  return dataDir;
}

const SERVING = { address: 'http://127.0.0.1:8080', pid: 4242, secret: 'hush' };

suite('data directory', () => {
  test('makes its tree, marks it, and makes it again over what is there', async (t) => {
    const dir = join(await makeTempDir(t), 'var', 'cache');
    for (let round = 0; round < 2; round += 1) {
      const dataDir = await openIn(t, dir);
      const names = [
        'CACHEDIR.TAG',
        'VERSION',
        'blobs',
        'lock.sqlite',
        'manifests',
        'partial',
        'quarantine',
        'serving.json',
      ];
      assert.deepEqual((await readdir(dir)).toSorted(), names);
      assert.match(
        await readFile(join(dir, 'CACHEDIR.TAG'), 'latin1'),
        /^Signature: 8a477f597d28d172789f06886806bc55\n/,
      );
      assert.equal(await readFile(join(dir, 'VERSION'), 'utf8'), '1\n');
      assert.equal((await stat(dir)).mode & 0o022, 0);
      await dataDir.close();
      await dataDir.close();
      assert.equal(await readServing(dir), undefined);
    }
  });

  test('serving.json is readable by its owner alone and goes at close', async (t) => {
    const dir = await makeTempDir(t);
    const dataDir = await openIn(t, dir);
    assert.deepEqual(await readServing(dir), { pid: 4242, address: undefined, secret: undefined });
    await dataDir.writeServing(SERVING);
    assert.deepEqual(await readServing(dir), SERVING);
    assert.equal((await stat(join(dir, 'serving.json'))).mode & 0o777, 0o600);
    await dataDir.close();
    await assert.rejects(stat(join(dir, 'serving.json')), { code: 'ENOENT' });
  });

  test('a second open in this process is refused and names the holder; after close it is granted', async (t) => {
    const dir = await makeTempDir(t);
    const first = await openIn(t, dir);
    await assert.rejects(openIn(t, dir), {
      name: 'DataDirError',
      code: 'locked',
      message: `cache directory ${dir} is in use by process 4242`,
    });
    await first.writeServing(SERVING);
    // Twice: a refused open must not loosen the holder's lock.
    for (let round = 0; round < 2; round += 1) {
      await assert.rejects(openIn(t, dir), {
        code: 'locked',
        message: /process 4242, which serves http:\/\/127\.0\.0\.1:8080$/,
      });
    }
    await writeFile(join(dir, 'serving.json'), '{');
    await assert.rejects(openIn(t, dir), { code: 'locked', message: /in use by another process$/ });
    await first.close();
    await openIn(t, dir);
  });

  test('another process is refused while its holder lives, and not once it was killed with -9', async (t) => {
    const dir = await makeTempDir(t);
    const module = new URL('../../../src/records/data-dir.ts', import.meta.url).href;
    const script = `
      const { openDataDir } = await import(${JSON.stringify(module)});
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const dataDir = await openDataDir({ log }, { dir: ${JSON.stringify(dir)}, pid: process.pid });
      await dataDir.writeServing({ address: 'http://127.0.0.1:1', pid: process.pid, secret: 's' });
      console.log('held');
      setInterval(() => dataDir, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => child.kill('SIGKILL'));
    const exited = once(child, 'exit');
    const [said] = await Promise.race([once(child.stdout, 'data'), exited]);
    assert.equal(String(said), 'held\n');
    await assert.rejects(openIn(t, dir), {
      code: 'locked',
      message: new RegExp(`in use by process ${child.pid}, which serves http://127\\.0\\.0\\.1:1$`),
    });
    child.kill('SIGKILL');
    await exited;
    // What the dead one left is not believed.
    const dataDir = await openIn(t, dir);
    assert.deepEqual(await readServing(dir), { pid: 4242, address: undefined, secret: undefined });
    await dataDir.close();
  });

  test('another format is refused, naming both, and the lock is free again', async (t) => {
    const dir = await makeTempDir(t);
    for (const found of ['2\n', '', 'x'.repeat(500)]) {
      await writeFile(join(dir, 'VERSION'), found);
      await assert.rejects(openIn(t, dir), {
        code: 'version',
        message: new RegExp(`has format "${found.trim().slice(0, 40)}", .* "1"`),
      });
    }
    await writeFile(join(dir, 'VERSION'), '1');
    await openIn(t, dir);
  });

  test('a directory that cannot be made or written is one line with path and errno', async (t) => {
    const dir = await makeTempDir(t);
    const file = join(dir, 'file');
    await writeFile(file, '');
    const cases = [
      {
        dir: file,
        message: `cache directory ${file} cannot be used: EEXIST at ${file} (something that is no directory has its name)`,
      },
      {
        dir: join(file, 'cache'),
        message: `cache directory ${file}/cache cannot be used: ENOTDIR at ${file}/cache (a part of its path is no directory)`,
      },
    ];
    // mkdir with `recursive` would try this one for ever (Linux's /proc answers ENOENT to every new name).
    if (process.platform === 'linux') {
      await assert.rejects(openIn(t, '/proc/no-cache-here/cache'), { code: 'unwritable', message: /ENOENT/ });
    }
    for (const { dir: refused, message } of cases) {
      await assert.rejects(openIn(t, refused), { name: 'DataDirError', code: 'unwritable', message });
    }
    const occupied = join(dir, 'occupied');
    await mkdir(occupied);
    await writeFile(join(occupied, 'blobs'), '');
    await assert.rejects(openIn(t, occupied), { code: 'unwritable', message: /(ENOTDIR|EEXIST) at .*blobs/ });
    const strange = join(dir, 'strange');
    await mkdir(join(strange, 'lock.sqlite'), { recursive: true });
    await assert.rejects(openIn(t, strange), { code: 'unwritable', message: /lock\.sqlite/ });
  });
});
