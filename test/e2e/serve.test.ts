import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PRODUCT } from '../../src/config/product.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { runServe, startServing } from './mirror-process.ts';

const entry = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const NOBODY = 'http://127.0.0.1:1';

async function places(t: TestContext): Promise<{ cwd: string; dir: string }> {
  const cwd = await makeTempDir(t);
  return { cwd, dir: path.join(cwd, 'cache') };
}

test('without any upstream it starts, says what a person needs, logs JSON and answers pings', async (t) => {
  const { cwd, dir } = await places(t);
  const mirror = await startServing(t, { cwd, dir, upstreams: [`first=${NOBODY}`] });
  await until(() => /no answer from/.test(mirror.err()));
  assert.match(mirror.err(), new RegExp(`^imgapi-mirror ${PRODUCT.version.replaceAll('.', '\\.')}$`, 'm'));
  assert.match(mirror.err(), /^ {2}here and only here: imgadm sources -a http:\/\/127\.0\.0\.1:\d+$/m);
  assert.match(mirror.err(), /^warning: it listens on 127\.0\.0\.1, where only this machine reaches it: /m);
  assert.ok(mirror.err().includes(dir), 'the cache directory');
  assert.match(mirror.err(), /^ {2}no answer from upstream first: .*ECONNREFUSED.*$/m);
  const ping = await rawRequest({ port: mirror.port, path: '/ping' });
  assert.deepEqual([ping.status, JSON.parse(ping.body.toString()).imgapi], [200, true]);
  const list = await rawRequest({ port: mirror.port, path: '/images' });
  assert.equal(list.status, 503);
  assert.match(list.body.toString(), /"code": "ServiceUnavailableError"[^]*first/);
  await until(() => mirror.log().some(({ msg, url }) => msg === 'response finished' && url === '/images'));
  for (const line of mirror.log()) {
    assert.equal(typeof line['msg'], 'string');
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT/);
  }
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);
});

test('an upstream that is there is said to answer, and a file goes through: MISS, then HIT', async (t) => {
  const image = makeImage({ size: 300_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startServing(t, { ...(await places(t)), upstreams: [`up=${upstream.url}`] });
  await until(() => /^ {2}upstream up answers \(\d+ ms\)$/m.test(mirror.err()));
  for (const expected of ['MISS', 'HIT']) {
    const file = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, hash: true });
    assert.deepEqual([file.headers['x-cache'], file.sha1], [expected, image.files[0]?.sha1]);
    await until(async () => /downloads_running 0\n/.test(await (await fetch(`${mirror.url}/metrics`)).text()));
  }
});

test('a port in use is refused with one line and exit code 1', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  t.after(() => holder.close());
  const address = holder.address();
  assert.ok(typeof address === 'object' && address !== null);
  const args = ['--port', String(address.port)];
  const mirror = runServe(t, { ...(await places(t)), upstreams: [NOBODY], args });
  assert.equal(await mirror.ended, 1);
  assert.match(mirror.err(), /^imgapi-mirror: cannot listen on 127\.0\.0\.1:\d+: the port is in use[^\n]*\n$/);
});

test('a second process on the directory is refused with one line that names the first, which lives on', async (t) => {
  const { cwd, dir } = await places(t);
  const first = await startServing(t, { cwd, dir, upstreams: [NOBODY] });
  const second = runServe(t, { cwd, dir, upstreams: [NOBODY] });
  assert.equal(await second.ended, 1);
  assert.deepEqual(second.err().split('\n'), [
    `imgapi-mirror: cache directory ${dir} is in use by process ${first.pid}, which serves ${first.url}`,
    '',
  ]);
  assert.equal((await rawRequest({ port: first.port, path: '/ping' })).status, 200);
});

test('a cache directory that cannot be used is refused with one line and exit code 1', async (t) => {
  const { cwd } = await places(t);
  await writeFile(path.join(cwd, 'file'), 'in the way');
  for (const dir of [path.join(cwd, 'file'), path.join(cwd, 'file', 'below')]) {
    const mirror = runServe(t, { cwd, dir, upstreams: [NOBODY] });
    assert.equal(await mirror.ended, 1, dir);
    assert.match(mirror.err(), /^imgapi-mirror: cache directory \S+ cannot be used: E\w+ at \S+ \([^\n]+\)\n$/);
    assert.equal(mirror.out(), '');
  }
});

test('a flag or a value that is none is exit code 2, and nothing is started', async (t) => {
  const { cwd, dir } = await places(t);
  for (const args of [['--nonsense'], ['--port', 'http'], ['--upstream', 'ftp://x.test']]) {
    const mirror = runServe(t, { cwd, dir, args });
    assert.equal(await mirror.ended, 2, args.join(' '));
    assert.equal(mirror.err().trimEnd().split('\n').length, 1, mirror.err());
  }
  assert.equal(existsSync(dir), false);
});

test('a reader of its log that leaves does not end it', async (t) => {
  const { cwd, dir } = await places(t);
  const mirror = await startServing(t, { cwd, dir, upstreams: [NOBODY] });
  mirror.child.stdout?.destroy();
  for (let times = 0; times < 5; times++) {
    assert.equal((await rawRequest({ port: mirror.port, path: '/ping' })).status, 200);
  }
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);
});

test('what a configuration holds in secret is in no line it prints', async (t) => {
  const { cwd, dir } = await places(t);
  const secret = 'c2VjcmV0OnNlY3JldA';
  await using upstream = await startImageServer({ behaviour: { status: 500 } });
  const config = `upstreams:\n  - name: up\n    url: ${upstream.url}\n    headers: { Authorization: "Basic ${secret}" }\n`;
  await writeFile(path.join(cwd, 'c.yaml'), config);
  const mirror = await startServing(t, { cwd, dir, args: ['--config', 'c.yaml', '--log-level', 'trace'] });
  await until(() => /no answer from upstream up/.test(mirror.err()));
  const list = await rawRequest({ port: mirror.port, path: '/images' });
  assert.equal(list.status, 503);
  assert.equal(upstream.requests[0]?.headers['authorization'], `Basic ${secret}`);
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);
  assert.ok(!`${mirror.out()}${mirror.err()}${list.body.toString()}`.includes(secret));
});

test('nothing is left in the directory that a second start could stumble over', async (t) => {
  const { cwd, dir } = await places(t);
  for (let runs = 0; runs < 2; runs++) {
    const mirror = await startServing(t, { cwd, dir, upstreams: [NOBODY] });
    mirror.child.kill('SIGINT');
    assert.equal(await mirror.ended, 0);
    assert.ok(!readdirSync(dir).includes('serving.json'));
  }
});

test('logs that cannot be written cost nothing but the logs', async (t) => {
  if (!existsSync('/dev/full')) {
    t.skip('there is no /dev/full here');
    return;
  }
  const { cwd, dir } = await places(t);
  const full = openSync('/dev/full', 'w');
  t.after(() => closeSync(full));
  const args = [entry, 'serve', '--host', '127.0.0.1', '--port', '0', '--cache-dir', dir, '--upstream', NOBODY];
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', full, 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const address = (): string | undefined =>
    /"address":"([^"]+)"/.exec(existsSync(serving) ? readFileSync(serving, 'utf8') : '')?.[1];
  const serving = path.join(dir, 'serving.json');
  await until(() => address() !== undefined, { deadlineMs: 15_000 });
  assert.equal((await fetch(`${address()}/ping`)).status, 200);
  child.kill('SIGTERM');
  const [code, signal] = await Promise.race([ended, sleep(15_000, ['it hangs', null])]);
  assert.deepEqual([code, signal], [1, null], 'it stops when told, and says that output was lost');
});

test('serve --offline serves what an earlier run has cached, says so, and asks nobody', async (t) => {
  const { cwd, dir } = await places(t);
  const image = makeImage({ size: 50_000 });
  const other = makeImage({ name: 'other', size: 50_000 });
  await using upstream = await startImageServer({ images: [image, other] });
  const online = await startServing(t, { cwd, dir, upstreams: [`up=${upstream.url}`] });
  const file = await rawRequest({ port: online.port, path: `/images/${image.uuid}/file`, hash: true });
  assert.equal(file.sha1, image.files[0]?.sha1);
  await until(() => existsSync(path.join(dir, 'manifests', `${image.uuid}.json`)));
  online.child.kill('SIGTERM');
  assert.equal(await online.ended, 0);

  const before = upstream.requests.length;
  const offline = await startServing(t, { cwd, dir, upstreams: [`up=${upstream.url}`], args: ['--offline'] });
  await until(() => /^ {2}offline: .*no upstream is asked/m.test(offline.err()));
  const ask = async (target: string) => rawRequest({ port: offline.port, path: target, hash: true });
  const list = await rawRequest({ port: offline.port, path: '/images' });
  assert.equal(JSON.parse(list.body.toString()).length, 2);
  assert.equal((await ask(`/images/${image.uuid}/file`)).sha1, image.files[0]?.sha1);
  const missing = await rawRequest({ port: offline.port, path: `/images/${other.uuid}/file` });
  assert.equal(missing.status, 503);
  assert.match(missing.body.toString(), /"code": "Offline"[^]*imgapi-mirror prefetch/);
  offline.child.kill('SIGTERM');
  assert.equal(await offline.ended, 0);
  assert.equal(upstream.requests.length, before);
  assert.doesNotMatch(offline.err(), /answers \(|no answer from/);
});
