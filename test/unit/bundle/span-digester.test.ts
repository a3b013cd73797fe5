import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { appendFile, writeFile } from 'node:fs/promises';
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
    job.cancel();
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
    cancelled.cancel();
    await assert.rejects(cancelled.digests, { ...isInternal, message: /cancelled/ });
    const open = digester.start([{ path: short, from: 0, length: 5 }], ['sha1']);
    await digester.close();
    await assert.rejects(open.digests, isInternal);
    assert.throws(() => digester.start([], ['sha1']), { code: 'ShuttingDown' });
  });
});
