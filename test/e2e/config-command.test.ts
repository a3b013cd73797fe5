import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeTempDir } from '../support/temp-dir.ts';

const entry = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));

interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the shipped entry to its end, without this process's IMGAPI_MIRROR_* variables. */
async function run(
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Ran> {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('IMGAPI_MIRROR_'));
  const child = spawn(process.execPath, [entry, ...args], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, out, err };
}

test('the shipped entry checks the shipped configuration', async (t) => {
  const cwd = await makeTempDir(t);
  const file = fileURLToPath(new URL('../../config/imgapi-mirror.yaml', import.meta.url));
  // Whatever the machine's disk has left, this test must not fail for it.
  const env = { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0' };
  const { code, out, err } = await run(['config', 'check', '--config', file], { cwd, env });
  assert.deepEqual([code, err], [0, '']);
  assert.match(out, /^ok\nfile .*imgapi-mirror\.yaml\nupstream {3}smartos https:\/\/images\.smartos\.org\ncache /);
});

test('what it prints can be fed back to it', async (t) => {
  const cwd = await makeTempDir(t);
  const first = await run(['config', 'print', '--port', '9090'], {
    cwd,
    env: { IMGAPI_MIRROR_CACHE_MAX_BYTES: '200GiB' },
  });
  assert.equal(first.code, 0);
  assert.match(first.out, /port: 9090[^]*maxBytes: 200GiB/);
  await writeFile(path.join(cwd, 'printed.yaml'), first.out);
  assert.deepEqual(await run(['config', 'print'], { cwd, env: { IMGAPI_MIRROR_CONFIG: 'printed.yaml' } }), first);
});

test('it refuses to serve a wrong configuration, with one line per problem and exit code 2', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'c.yaml'), 'cache:\n  maxByte: 1GiB\nlisten:\n  port: 99999\n');
  const { code, out, err } = await run(['serve', '--config', 'c.yaml'], { cwd });
  assert.deepEqual([code, out], [2, '']);
  assert.deepEqual(err.split('\n'), [
    'c.yaml:2: cache.maxByte: unknown key; the nearest known one is maxBytes',
    'c.yaml:4: listen.port: found 99999; a whole number from 0 to 65535 would do',
    '',
  ]);
});

test('it exits 2 for what it does not understand, and 0 for help and version', async (t) => {
  const cwd = await makeTempDir(t);
  const codes = await Promise.all(
    [[], ['nonsense'], ['serve', '--nonsense'], ['--help'], ['--version'], ['serve', '--help']].map(
      async (args) => (await run(args, { cwd })).code,
    ),
  );
  assert.deepEqual(codes, [2, 2, 2, 0, 0, 0]);
});
