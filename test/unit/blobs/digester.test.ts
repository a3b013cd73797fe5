import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { open, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createDigester } from '../../../src/blobs/digester.ts';
import type { Digester, DigesterOptions, Digests } from '../../../src/blobs/digester.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/wait-for.ts';

const MIB = 1024 * 1024;
const isInternal = { name: 'MirrorError', code: 'InternalError' };

interface Bench {
  readonly digester: Digester;
  readonly workers: Worker[];
  readonly path: (name: string) => string;
}

async function openBench(t: TestContext, options: DigesterOptions = {}): Promise<Bench> {
  const dir = await makeTempDir(t);
  const workers: Worker[] = [];
  const spawn = (file: URL): Worker => {
    const worker = new Worker(file, { execArgv: [] });
    workers.push(worker);
    return worker;
  };
  const digester = createDigester(options, { spawn });
  t.after(() => digester.close());
  return { digester, workers, path: (name) => join(dir, name) };
}

function digestsOf(bytes: Buffer): unknown {
  return {
    sha1: createHash('sha1').update(bytes).digest('hex'),
    md5: createHash('md5').update(bytes).digest('base64'),
    sha256: createHash('sha256').update(bytes).digest('hex'),
    size: bytes.length,
  };
}

suite('digester', () => {
  test('hashes a file that grows while it is hashed', async (t) => {
    const { digester, path } = await openBench(t);
    const bytes = randomBytes(5 * MIB + 12_345);
    const handle = await open(path('growing'), 'w+');
    t.after(() => handle.close());
    const job = digester.start(path('growing'));
    for (let position = 0; position < bytes.length; position += 300_000) {
      const { bytesWritten } = await handle.write(
        bytes,
        position,
        Math.min(300_000, bytes.length - position),
        position,
      );
      job.advance(position + bytesWritten);
    }
    const promise = job.finish(bytes.length);
    assert.equal(job.finish(bytes.length), promise);
    assert.deepEqual(await promise, digestsOf(bytes));
    job.cancel();
    job.advance(1);
  });

  test('sizes around the buffer and the turn, and an empty file', async (t) => {
    const { digester, path } = await openBench(t, { threads: 1 });
    const sizes = [0, 1, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 8 * MIB, 8 * MIB + 1, 17 * MIB];
    const bytes = randomBytes(17 * MIB);
    await writeFile(path('file'), bytes);
    const digests = await Promise.all(sizes.map((size) => digester.start(path('file')).finish(size)));
    for (const [index, size] of sizes.entries()) assert.deepEqual(digests[index], digestsOf(bytes.subarray(0, size)));
  });

  test('a small file does not wait for a big one on the same thread', async (t) => {
    const { digester, path, workers } = await openBench(t, { threads: 1 });
    await writeFile(path('big'), Buffer.alloc(40 * MIB));
    await writeFile(path('small'), 'small');
    const order: string[] = [];
    const note = async (name: string, digests: Promise<Digests>): Promise<void> => {
      await digests;
      order.push(name);
    };
    const big = note('big', digester.start(path('big')).finish(40 * MIB));
    await note('small', digester.start(path('small')).finish(5));
    await big;
    assert.deepEqual(order, ['small', 'big']);
    assert.equal(workers.length, 1);
  });

  test('threads start when needed, and no more than allowed', async (t) => {
    const { digester, path, workers } = await openBench(t, { threads: 2 });
    await writeFile(path('file'), 'text');
    assert.equal(workers.length, 0);
    await digester.start(path('file')).finish(4);
    await digester.start(path('file')).finish(4);
    assert.equal(workers.length, 1);
    const jobs = Array.from({ length: 5 }, () => digester.start(path('file')));
    assert.equal(workers.length, 2);
    await Promise.all(jobs.map((job) => job.finish(4)));
  });

  test('the file may be renamed or removed once finish has resolved', async (t) => {
    const { digester, path } = await openBench(t);
    for (let round = 0; round < 20; round += 1) {
      await writeFile(path('partial'), `round ${round}`);
      const size = `round ${round}`.length;
      assert.deepEqual(await digester.start(path('partial')).finish(size), digestsOf(Buffer.from(`round ${round}`)));
      await rename(path('partial'), path('blob'));
    }
    await rm(path('blob'));
  });

  test('a file that is not there, or is shorter than said, is an error', async (t) => {
    const { digester, path } = await openBench(t);
    await assert.rejects(digester.start(path('none')).finish(1), { ...isInternal, message: /ENOENT/ });
    await writeFile(path('short'), 'short');
    await assert.rejects(digester.start(path('short')).finish(6), { ...isInternal, message: /ends at 5/ });
    // The error may come before the finish; it is kept for it, and nothing is left unhandled.
    const early = digester.start(path('short'));
    early.advance(2 * MIB);
    await digester.start(path('short')).finish(5);
    await assert.rejects(early.finish(2 * MIB), isInternal);
  });

  test('a file that was advanced beyond its size is an error', async (t) => {
    const { digester, path } = await openBench(t);
    await writeFile(path('file'), Buffer.alloc(2 * MIB));
    const job = digester.start(path('file'));
    job.advance(2 * MIB);
    await assert.rejects(job.finish(MIB), { ...isInternal, message: /more was written/ });
  });

  test('cancel rejects a finish that waits and one that comes later', async (t) => {
    const { digester, path } = await openBench(t, { threads: 1 });
    await writeFile(path('big'), Buffer.alloc(32 * MIB));
    const job = digester.start(path('big'));
    const finished = job.finish(32 * MIB);
    job.cancel();
    await assert.rejects(finished, { ...isInternal, message: /cancelled/ });
    const other = digester.start(path('big'));
    other.cancel();
    other.cancel();
    await assert.rejects(other.finish(32 * MIB), isInternal);
    await writeFile(path('small'), 'small');
    assert.deepEqual(await digester.start(path('small')).finish(5), digestsOf(Buffer.from('small')));
  });

  test('a thread that dies fails its jobs, and the next job gets a new one', async (t) => {
    const { digester, path, workers } = await openBench(t, { threads: 1 });
    await writeFile(path('file'), 'text');
    const job = digester.start(path('file'));
    const waiting = digester.start(path('file'));
    const finished = waiting.finish(4);
    const outcome = Promise.allSettled([finished]);
    await workers[0]?.terminate();
    // It may have been quick enough; then it is right.
    const [settled] = await outcome;
    if (settled?.status === 'rejected') assert.equal(settled.reason.code, 'InternalError');
    await assert.rejects(job.finish(4), isInternal);
    assert.deepEqual(await digester.start(path('file')).finish(4), digestsOf(Buffer.from('text')));
    assert.equal(workers.length, 2);
  });

  test('a thread that fails says why', async (t) => {
    const dir = await makeTempDir(t);
    const source = "require('node:worker_threads').parentPort.on('message', () => { throw new Error('broken') })";
    const digester = createDigester({}, { spawn: () => new Worker(source, { eval: true, execArgv: [] }) });
    t.after(() => digester.close());
    await assert.rejects(digester.start(join(dir, 'file')).finish(1), (error: Error) =>
      /broken/.test(String(error.cause)),
    );
  });

  test('close rejects what runs, ends the threads, and starts no more', async (t) => {
    const { digester, path, workers } = await openBench(t);
    await writeFile(path('file'), Buffer.alloc(32 * MIB));
    const finished = assert.rejects(digester.start(path('file')).finish(32 * MIB), isInternal);
    await digester.close();
    await finished;
    assert.throws(() => digester.start(path('file')), { code: 'ShuttingDown' });
    await until(() => workers.every((worker) => worker.threadId === -1));
  });

  test('an idle thread holds no process open, and one that is waited for does', async (t) => {
    const dir = await makeTempDir(t);
    await writeFile(join(dir, 'file'), 'text');
    const script = `
      const { createDigester } = await import(${JSON.stringify(new URL('../../../src/blobs/digester.ts', import.meta.url).href)});
      const digester = createDigester();
      const job = digester.start(${JSON.stringify(join(dir, 'file'))});
      const { size } = await job.finish(4);
      digester.start(${JSON.stringify(join(dir, 'file'))});
      console.log('hashed', size);
    `;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.equal(child.stdout, 'hashed 4\n', child.stderr);
    assert.equal(child.status, 0, child.stderr);
  });
});
