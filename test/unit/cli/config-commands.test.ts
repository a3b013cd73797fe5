import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { runCli } from '../../../src/cli/run.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { fakeIo } from './fake-io.ts';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(cwd: string, line: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  // Whatever the machine's disk has left, tests of other things must not fail for it.
  const fake = fakeIo(line.split(' '), { cwd, env: { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '1B', ...env } });
  const code = await runCli(fake.io);
  return { code, out: fake.out(), err: fake.err() };
}

test('check says what would be used and that it is right', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'c.yaml'), 'cache: {dir: blobs, maxBytes: 20GiB}\n');
  const { code, out, err } = await run(cwd, 'config check --config c.yaml --upstream lab=http://lab');
  assert.deepEqual([code, err], [0, '']);
  assert.deepEqual(out.split('\n'), [
    'ok',
    'file       c.yaml',
    'upstream   lab http://lab',
    `cache      ${path.join(cwd, 'blobs')} (at most 20GiB, 1B of the file system left free)`,
    '',
  ]);
});

test('check names the problems, one per line, and exits 2', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'c.yaml'), 'cache:\n  dri: x\nlog: {level: loud}\n');
  const { code, out, err } = await run(cwd, 'config check --config c.yaml');
  assert.deepEqual([code, out], [2, '']);
  assert.match(
    err,
    /^c\.yaml:2: cache\.dri: unknown key; the nearest known one is dir\nc\.yaml:3: log\.level: [^\n]*\n$/,
  );
});

test('check speaks JSON, one value per line', async (t) => {
  const cwd = await makeTempDir(t);
  const good = await run(cwd, 'config check --json --upstream lab=http://lab');
  assert.deepEqual(JSON.parse(good.out), {
    ok: true,
    file: null,
    upstreams: [{ name: 'lab', url: 'http://lab' }],
    cacheDir: path.join(cwd, 'var/cache'),
    warnings: [],
  });
  const bad = await run(cwd, 'config check --json --port x');
  assert.equal(bad.code, 2);
  assert.equal(bad.err, '');
  const message = 'found "x"; a whole number from 0 to 65535 would do';
  assert.deepEqual(JSON.parse(bad.out), { ok: false, problems: [{ key: 'listen.port', where: '--port', message }] });
  assert.equal(bad.out.trimEnd().split('\n').length, 1);
});

test('the file can be named by the environment, and the flag overrides that', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'env.yaml'), 'listen: {port: 1}\n');
  await writeFile(path.join(cwd, 'flag.yaml'), 'listen: {port: 2}\n');
  const env = { IMGAPI_MIRROR_CONFIG: 'env.yaml' };
  assert.match((await run(cwd, 'config print', env)).out, /port: 1\n/);
  assert.match((await run(cwd, 'config print --config flag.yaml', env)).out, /port: 2\n/);
});

test('a file that cannot be read is one line, and the rest is checked all the same', async (t) => {
  const cwd = await makeTempDir(t);
  const { code, err } = await run(cwd, 'config check --config missing.yaml --port x');
  assert.equal(code, 2);
  assert.match(err, /^--config: cannot read "missing\.yaml": no such file\n--port: listen\.port: [^\n]*\n$/);
  assert.match((await run(cwd, 'config check --config .')).err, /^--config: cannot read "\.": it is a directory\n$/);
  const named = await run(cwd, 'config check', { IMGAPI_MIRROR_CONFIG: 'missing.yaml' });
  assert.match(named.err, /^IMGAPI_MIRROR_CONFIG: cannot read/);
});

test('check tries what only trying can tell: the directory and the address', async (t) => {
  const cwd = await makeTempDir(t);
  // Nobody can make a directory there, whatever its permissions say.
  const dir = await run(cwd, 'config check --cache-dir /proc/foo');
  assert.equal(dir.code, 1);
  assert.match(dir.err, /^cache directory \/proc\/foo cannot be used: [A-Z]+ at \/proc\n$/);
  assert.match((await run(cwd, 'config check --host 300.1.1.1')).err, /^--host: listen\.host: found "300\.1\.1\.1"/);
  // RFC 5737: no machine has it.
  const elsewhere = await run(cwd, 'config check --host 192.0.2.1');
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.err, /^cannot listen on 192\.0\.2\.1:8080: this machine has no such address/);
  // A port that is taken may be the mirror's own.
  const server = createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  assert.equal((await run(cwd, `config check --host 127.0.0.1 --port ${port}`)).code, 0);
});

test('check looks whether certificates can be read', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'c.yaml'), 'upstreams:\n  - {url: "https://a", caFile: ca.pem}\n');
  const missing = await run(cwd, 'config check --config c.yaml');
  assert.deepEqual([missing.code, missing.err], [2, 'upstreams[0].caFile: cannot read "ca.pem": no such file\n']);
  await writeFile(path.join(cwd, 'ca.pem'), 'hello');
  assert.match(
    (await run(cwd, 'config check --config c.yaml')).err,
    /"ca\.pem" holds no certificate; a PEM file would do\n$/,
  );
  await writeFile(path.join(cwd, 'ca.pem'), '-----BEGIN CERTIFICATE-----\n');
  assert.equal((await run(cwd, 'config check --config c.yaml')).code, 0);
});

test('print gives a file that loads, in YAML and in JSON', async (t) => {
  const cwd = await makeTempDir(t);
  const env = { IMGAPI_MIRROR_CACHE_MAX_BYTES: '204800MiB' };
  const yaml = await run(cwd, 'config print', env);
  const json = await run(cwd, 'config print --json', env);
  assert.match(yaml.out, /maxBytes: 200GiB/);
  const { ok, config }: { ok: boolean; config: unknown } = JSON.parse(json.out);
  assert.equal(ok, true);
  assert.deepEqual(config, parse(yaml.out));
  await writeFile(path.join(cwd, 'printed.yaml'), yaml.out);
  assert.equal((await run(cwd, 'config print --config printed.yaml')).out, yaml.out);
});

test('both warn on standard error, beside the answer', async (t) => {
  const cwd = await makeTempDir(t);
  const env = { IMGAPI_MIRROR_UPSTREAMS: '[{url: "https://a", insecure: true}]' };
  for (const command of ['config check', 'config print']) {
    const { code, err } = await run(cwd, command, env);
    assert.deepEqual([code, err], [0, 'warning: upstream a: certificate checks are off (insecure: true)\n']);
  }
});
