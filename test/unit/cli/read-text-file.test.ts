import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readTextFile } from '../../../src/cli/read-text-file.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

test('gives the text of a file up to its bound, and no more', async (t) => {
  const file = path.join(await makeTempDir(t), 'a');
  await writeFile(file, 'größe');
  assert.deepEqual(await readTextFile(file, 7), { ok: true, text: 'größe' });
  assert.deepEqual(await readTextFile(file, 6), { ok: false, reason: 'it is larger than 6 bytes' });
});

test('says in words why a file could not be read', async (t) => {
  const directory = await makeTempDir(t);
  const file = path.join(directory, 'a');
  assert.deepEqual(await readTextFile(file, 10), { ok: false, reason: 'no such file' });
  assert.deepEqual(await readTextFile(directory, 10), { ok: false, reason: 'it is a directory' });
  await writeFile(file, Uint8Array.of(0xff, 0xfe));
  assert.deepEqual(await readTextFile(file, 10), { ok: false, reason: 'it is not UTF-8 text' });
});

test('does not wait for the writer of a pipe', { timeout: 10_000 }, async (t) => {
  const pipe = path.join(await makeTempDir(t), 'pipe');
  await promisify(execFile)('mkfifo', [pipe]);
  assert.deepEqual(await readTextFile(pipe, 10), { ok: false, reason: 'it is not a regular file' });
});
