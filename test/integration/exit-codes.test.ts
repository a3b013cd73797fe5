/** The exit codes of every command, as docs/operations.md and the help texts promise them: 0 done, 1 not done, 2 wrongly typed. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { COMMANDS } from '../../src/cli/commands.ts';
import { runCli } from '../../src/cli/run.ts';
import { makeCacheDir } from '../support/cache-dir.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { fakeIo } from '../unit/cli/fake-io.ts';

const parent = makeImage({ name: 'parent', size: 3_000 });
const child = makeImage({ name: 'child', size: 2_000, origin: parent });
const NOBODY = '99999999-0000-4000-8000-000000000000';

interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Type = (...args: readonly string[]) => Promise<Typed>;

/** A directory on which no mirror runs, an upstream, and what types commands there. */
async function place(t: TestContext, env: Readonly<Record<string, string>> = {}): Promise<{ cwd: string; type: Type }> {
  const upstream = await startImageServer({ images: [parent, child] });
  t.after(async () => upstream.close());
  const cwd = await makeTempDir(t);
  await makeCacheDir(path.join(cwd, 'cache'));
  const surroundings = {
    IMGAPI_MIRROR_CACHE_DIR: path.join(cwd, 'cache'),
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'up', url: upstream.url, proxy: 'none' }]),
    ...env,
  };
  return {
    cwd,
    async type(...args) {
      const fake = fakeIo(args, { cwd, env: surroundings });
      return { code: await runCli(fake.io), out: fake.out(), err: fake.err() };
    },
  };
}

/** Types them one after another: each an exit code, and the words that it is for. */
async function expectCodes(type: Type, rows: readonly (readonly [number, ...string[]])[]): Promise<void> {
  for (const [code, ...args] of rows) {
    const typed = await type(...args);
    assert.equal(typed.code, code, `${args.join(' ')}\n${typed.out}${typed.err}`);
    if (code !== 0 && !args.includes('--json'))
      assert.notEqual(typed.err + typed.out, '', `${args.join(' ')} says why`);
    if (args.includes('--json')) {
      const lines = typed.out.trimEnd().split('\n');
      for (const line of lines) assert.doesNotThrow(() => JSON.parse(line), `${args.join(' ')}: ${line}`);
    }
  }
}

test('every command: 0 for --help, 2 for an option it does not have', async () => {
  for (const { name, positionals } of COMMANDS) {
    const words = name.split(' ');
    for (const [args, code] of [
      [['--help'], 0],
      [['--no-such-option'], 2],
      [Array.from({ length: (positionals?.max ?? 0) + 1 }, () => 'x'), 2],
    ] as const) {
      const fake = fakeIo([...words, ...args]);
      assert.equal(await runCli(fake.io), code, `${name} ${args.join(' ').slice(0, 40)}: ${fake.err()}`);
    }
    if (positionals !== undefined && positionals.min > 0) assert.equal(await runCli(fakeIo(words).io), 2, name);
  }
});

test('what is wrongly typed is 2: selectors, uuids, sizes, URLs, keys', async (t) => {
  const { type } = await place(t);
  await expectCodes(type, [
    ...['list', 'prefetch', 'pin', 'unpin', 'evict'].map((verb) => [2, verb, 'nmae=x'] as const),
    [2, 'export', 'nmae=x', '-o', 'x.bundle'],
    [2, 'export', 'cached'],
    [2, 'export', 'cached', '-o', 'x.bundle', '--split', '4GB'],
    [2, 'export', 'cached', '-o', 'x.bundle', '--sign', 'no-such-key'],
    [2, 'import', 'x.bundle', '--trust', 'no-such-key'],
    [2, 'verify', 'x.bundle', '--trust', 'no-such-key'],
    [2, 'import', 'nowhere.bundle'],
    [2, 'verify', 'nowhere.bundle'],
    [2, 'show', 'child'],
    [2, 'accept', 'child'],
    [1, 'accept', child.uuid],
    [2, 'status', '--mirror', 'mirror'],
    [2, 'list', 'nmae=x', '--json'],
    [2, 'doctor', '--as-client', 'mirror'],
  ]);
});

test('what cannot be done is 1; a selector that matches nothing is 1 but for list and evict', async (t) => {
  const { type, cwd } = await place(t);
  await writeFile(path.join(cwd, 'junk.bundle'), 'junk');
  await expectCodes(type, [
    ...['prefetch', 'pin', 'unpin'].map((verb) => [1, verb, 'name=nothing'] as const),
    [1, 'export', 'name=nothing', '-o', 'x.bundle'],
    [0, 'list', 'name=nothing'],
    [0, 'evict', 'name=nothing'],
    [0, 'evict', 'name=nothing', '--yes'],
    [1, 'show', NOBODY],
    [1, 'export', 'name=child', '-o', 'x.bundle'],
    [1, 'import', 'junk.bundle', '--json'],
    [1, 'verify', 'junk.bundle', '--json'],
    [1, 'refresh', '--offline'],
    [1, 'status', '--mirror', 'http://127.0.0.1:1', '--json'],
  ]);
});

test('done is 0, and so is what was done already; nothing pinned is evicted, which is no failure', async (t) => {
  const { type, cwd } = await place(t);
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  await writeFile(path.join(cwd, 'key'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(path.join(cwd, 'pub'), publicKey.export({ type: 'spki', format: 'pem' }));
  const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
  await writeFile(path.join(cwd, 'other'), other);
  await expectCodes(type, [
    [0, 'prefetch', 'name=child with-origins', '--dry-run'],
    [0, 'prefetch', 'name=child with-origins', '--json'],
    [0, 'prefetch', 'name=child with-origins'],
    [0, 'list'],
    [0, 'list', '--cached', '--json'],
    [0, 'show', child.uuid, '--json'],
    [0, 'status'],
    [0, 'refresh'],
    [0, 'scrub', '--json'],
    [0, 'pin', 'name=child'],
    [0, 'pin', 'name=child'],
    [0, 'evict', 'cached'],
    [0, 'evict', 'cached', '--yes', '--json'],
    [0, 'export', 'cached', '-o', 'x.bundle', '--sign', 'key'],
    [0, 'export', 'cached', '-o', 'x.bundle', '--sign', 'key'],
    [0, 'verify', 'x.bundle', '--trust', 'pub'],
    [1, 'verify', 'x.bundle', '--trust', 'other'],
    [1, 'import', 'x.bundle', '--trust', 'other'],
    [0, 'import', 'x.bundle', '--trust', 'pub', '--dry-run'],
    [0, 'import', 'x.bundle', '--trust', 'pub'],
    [0, 'unpin', 'pinned'],
    [1, 'unpin', 'pinned'],
    [0, 'config', 'check'],
    [0, 'config', 'print', '--json'],
    [0, 'completion', 'bash'],
    [0, 'completion', 'zsh'],
  ]);
  assert.match((await type('list', '--cached', '--json')).out, /"total":2/, 'evict took nothing that was pinned');
  await truncate(path.join(cwd, 'x.bundle'), 5_000);
  await expectCodes(type, [[1, 'verify', 'x.bundle']]);
});

test('an upstream that fails makes refresh and prefetch 1, and what is there can still be listed', async (t) => {
  const upstreams = JSON.stringify([{ name: 'gone', url: 'http://127.0.0.1:1', proxy: 'none' }]);
  const { type } = await place(t, { IMGAPI_MIRROR_UPSTREAMS: upstreams });
  // Its name is in the first column.
  assert.match((await type('refresh')).out, /^gone +0 +never +connect ECONNREFUSED 127\.0\.0\.1:1$/m);
  await expectCodes(type, [
    [1, 'refresh', '--json'],
    [0, 'list', '--json'],
    [1, 'prefetch', 'name=child'],
    [1, 'show', NOBODY],
    [1, 'doctor'],
  ]);
});

test('a configuration that is wrong is 2 for every command that reads it; a directory that is, is 1', async (t) => {
  const wrong = await place(t, { IMGAPI_MIRROR_CACHE_MAX_BYTES: '200GB' });
  for (const verb of ['list', 'status', 'scrub', 'refresh', 'serve', 'doctor'])
    assert.notEqual((await wrong.type(verb)).code, 0, verb);
  await expectCodes(wrong.type, [
    [2, 'list'],
    [2, 'list', '--json'],
    [2, 'serve'],
    [2, 'config', 'check'],
    [2, 'config', 'check', '--json'],
  ]);
  const unfit = await place(t, { IMGAPI_MIRROR_CACHE_DIR: '/dev/null/cache' });
  await expectCodes(unfit.type, [
    [1, 'list'],
    [1, 'list', '--json'],
    [1, 'serve'],
    [1, 'config', 'check'],
  ]);
});
