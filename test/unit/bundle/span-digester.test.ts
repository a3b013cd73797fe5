import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { createSpanDigester } from '../../../src/bundle/span-digester.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const MIB = 1024 * 1024;
const isInternal = { name: 'MirrorError', code: 'InternalError' };

suite('span digester', () => {
  test('hashes parts of files as one row, while they grow', async (t) => {
    const dir = await makeTempDir(t);
    const digester = createSpanDigester();
    t.after(() => digester.close());
    const bytes = randomBytes(9 * MIB + 5);
    const [first, second] = [join(dir, 'first'), join(dir, 'second')];
    await writeFile(first, bytes.subarray(0, 4 * MIB));
    const job = digester.start(
      [
        { path: first, from: 100, length: 4 * MIB - 100 },
        { path: second, from: 0, length: 5 * MIB },
      ],
      ['sha256', 'md5'],
    );
    job.advance(4 * MIB - 100);
    await job.untilBehindBy(0);
    // The second is begun only now.
    await writeFile(second, bytes.subarray(4 * MIB, 6 * MIB));
    job.advance(6 * MIB - 100);
    await job.untilBehindBy(MIB);
    await appendFile(second, bytes.subarray(6 * MIB));
    job.advance(9 * MIB - 100);
    const due = bytes.subarray(100, 9 * MIB);
    assert.deepEqual(await job.digests, {
      sha256: createHash('sha256').update(due).digest('hex'),
      md5: createHash('md5').update(due).digest('base64'),
    });
    await job.untilBehindBy(0);
    await job.cancel();
  });

  test('copies what it hashes, behind what is there already, from parts of files to parts of files', async (t) => {
    const dir = await makeTempDir(t);
    const digester = createSpanDigester();
    t.after(() => digester.close());
    const bytes = randomBytes(5 * MIB + 7);
    const existing = MIB + 3;
    const names = ['from-1', 'from-2', 'to-1', 'to-2'].map((name) => join(dir, name));
    const [from1 = '', from2 = '', to1 = '', to2 = ''] = names;
    await writeFile(from1, Buffer.concat([Buffer.alloc(10), bytes.subarray(0, 2 * MIB)]));
    await writeFile(from2, bytes.subarray(2 * MIB));
    await writeFile(to1, Buffer.concat([Buffer.alloc(20), bytes.subarray(0, existing)]));
    await writeFile(to2, '');
    const handles = [await open(from1, 'r'), await open(from2, 'r')] as const;
    t.after(async () => Promise.all(handles.map(async (handle) => handle.close())));
    const spans = [
      { path: to1, from: 20, length: 3 * MIB },
      { path: to2, from: 0, length: 2 * MIB + 7 },
    ];
    const source = [
      { descriptor: handles[0].fd, from: 10, length: 2 * MIB },
      { descriptor: handles[1].fd, from: 0, length: 3 * MIB + 7 },
    ];
    const job = digester.start(spans, ['sha1'], { spans: source, existing });
    job.advance(4 * MIB);
    await job.untilBehindBy(0);
    assert.equal(job.doneBytes, 4 * MIB);
    assert.equal((await readFile(to2)).length, MIB, 'no more than it may');
    job.advance(bytes.length);
    assert.deepEqual(await job.digests, { sha1: createHash('sha1').update(bytes).digest('hex') });
    assert.equal(job.doneBytes, bytes.length);
    const copied = Buffer.concat([(await readFile(to1)).subarray(20), await readFile(to2)]);
    assert.ok(copied.equals(bytes));

    // When it has let go of them, the descriptors may be closed, and used for other files.
    const given = digester.start(spans, ['sha1'], { spans: source, existing: 0 });
    given.advance(bytes.length);
    await given.cancel();
    const failing = digester.start([{ path: join(dir, 'none'), from: 0, length: 5 }], ['sha1'], {
      spans: [{ descriptor: handles[1].fd, from: 0, length: 5 }],
      existing: 0,
    });
    failing.advance(5);
    await assert.rejects(failing.digests, { ...isInternal, message: /ENOENT/ });
    await failing.cancel();
  });

  test('nothing at all has digests too', async (t) => {
    const digester = createSpanDigester();
    t.after(() => digester.close());
    const { sha1 } = await digester.start([], ['sha1']).digests;
    assert.equal(sha1, 'da39a3ee5e6b4b0d3255bfef95601890afd80709');
  });

  test('fails for what is not there, is too short, was cancelled or closed', async (t) => {
    const dir = await makeTempDir(t);
    const digester = createSpanDigester({ threads: 1 });
    t.after(() => digester.close());
    const short = join(dir, 'short');
    await writeFile(short, 'short');
    const cases: [string, number, RegExp][] = [
      [join(dir, 'none'), 1, /ENOENT/],
      [short, 6, /ends at byte 5/],
    ];
    for (const [path, length, reason] of cases) {
      const job = digester.start([{ path, from: 0, length }], ['sha1']);
      job.advance(length);
      await job.untilBehindBy(0);
      await assert.rejects(job.digests, { ...isInternal, message: reason });
    }
    const cancelled = digester.start([{ path: short, from: 0, length: 5 }], ['sha1']);
    await cancelled.cancel();
    await assert.rejects(cancelled.digests, { ...isInternal, message: /cancelled/ });
    const unfinished = digester.start([{ path: short, from: 0, length: 5 }], ['sha1']);
    await digester.close();
    await assert.rejects(unfinished.digests, isInternal);
    assert.throws(() => digester.start([], ['sha1']), { code: 'ShuttingDown' });
  });
});
