import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { describeHeader, END_BYTES, padded, tarHeader } from '../../../src/bundle/tar-header.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const GIB = 1024 ** 3;

suite('tar headers', () => {
  test('tar reads the sizes of what fits ustar and of what does not', async (t) => {
    const path = join(await makeTempDir(t), 'archive.tar');
    const handle = await open(path, 'w');
    const sizes = [0, 1, 8 * GIB - 1, 8 * GIB, 1024 * GIB];
    let at = 0;
    for (const [index, size] of sizes.entries()) {
      const header = tarHeader(`file-${index}`, size);
      await handle.write(header, 0, header.length, at);
      at += header.length + padded(size);
    }
    // The contents are a hole in the file.
    await handle.truncate(at + END_BYTES);
    await handle.close();
    const listed = spawnSync('tar', ['tvf', path], {
      encoding: 'utf8',
      env: { ...process.env, TZ: 'UTC', LC_ALL: 'C' },
    });
    assert.deepEqual({ status: listed.status, stderr: listed.stderr }, { status: 0, stderr: '' });
    const lines = listed.stdout
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/));
    assert.deepEqual(
      lines,
      sizes.map((size, index) => ['-rw-r--r--', 'root/root', String(size), '1980-01-01', '00:00', `file-${index}`]),
    );
  });

  test('are one block, or three from 8 GiB on', () => {
    assert.equal(tarHeader('x'.repeat(100), 8 * GIB - 1).length, 512);
    assert.equal(tarHeader('x'.repeat(100), 8 * GIB).length, 1536);
  });

  test('that are wrong are described without control characters', () => {
    const header = tarHeader('a\u001B[2Jb', 1);
    assert.match(describeHeader(header), /^"a\\u001b\[2Jb" of 00000000001/);
    assert.equal(describeHeader(Buffer.alloc(512)), 'the archive ends here');
    assert.match(describeHeader(Buffer.alloc(512, 7)), /no tar header/);
  });
});
