/** Commands whose output has nowhere to go: its reader has left, or its disk is full. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { startServing } from './mirror-process.ts';

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const run = promisify(execFile);
/** Longer than what a command leaves open is given to close. */
const READER_SLEEPS_S = 6;

test('a command ends with the reader of its output, without a word; one whose output is lost says so', async (t) => {
  await using upstream = await startImageServer({ images: [makeImage({ size: 1_000 })] });
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  await startServing(t, { cwd, dir, upstreams: [upstream.url] });
  const shell = async (line: string): Promise<{ stdout: string; stderr: string }> =>
    run('bash', ['-c', line], {
      cwd,
      timeout: 20_000,
      env: { ...process.env, NODE: process.execPath, ENTRY, IMGAPI_MIRROR_CACHE_DIR: dir },
    });

  for (const flags of ['', '--json']) {
    const { stdout, stderr } = await shell(
      `"$NODE" "$ENTRY" status --watch ${flags} | head -n 1; echo \${PIPESTATUS[0]}`,
    );
    assert.match(stdout, /\n141\n$/, flags);
    assert.equal(stderr, '', flags);
  }
  const help = await shell('"$NODE" "$ENTRY" completion bash | head -n 1; echo ${PIPESTATUS[0]}');
  assert.match(help.stdout, /\n(?:0|141)\n$/);
  assert.equal(help.stderr, '');

  if (!existsSync('/dev/full')) return;
  const lost = await shell('"$NODE" "$ENTRY" list >/dev/full; echo $? ');
  assert.equal(lost.stdout, '1\n');
  assert.match(lost.stderr, /^imgapi-mirror: standard output: .*ENOSPC.*\n$/);
});

test('a reader that takes its time gets all of the output', async (t) => {
  // A pipe holds 64 KiB; this is some times that.
  const images = Array.from({ length: 800 }, (_, n) => makeImage({ name: `image-${n}`, size: 10 }));
  await using upstream = await startImageServer({ images });
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  await startServing(t, { cwd, dir, upstreams: [upstream.url] });
  const env = { ...process.env, NODE: process.execPath, ENTRY, IMGAPI_MIRROR_CACHE_DIR: dir };
  const listTo = async (reader: string): Promise<{ stdout: string; stderr: string }> =>
    run('bash', ['-c', `"$NODE" "$ENTRY" list --json | (${reader}); echo \${PIPESTATUS[0]}`], {
      cwd,
      timeout: 30_000,
      env,
    });
  const { stdout, stderr } = await listTo(`sleep ${READER_SLEEPS_S}; wc -l`);
  assert.deepEqual([stdout.replaceAll(' ', ''), stderr], [`${images.length + 1}\n0\n`, '']);
  // Whether the command is over by then or not: it has not been read to its end.
  assert.deepEqual(await listTo('sleep 3'), { stdout: '141\n', stderr: '' });
});
