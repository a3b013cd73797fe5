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
    // Between two looks it ends as after Ctrl-C, in the middle of one as other tools do.
    assert.match(stdout, /\n(?:0|141)\n$/, flags);
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
