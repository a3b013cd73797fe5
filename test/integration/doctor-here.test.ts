/** What the doctor sees of the mirror it stands beside: the one on the cache directory, and the upstreams. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { runCli } from '../../src/cli/run.ts';
import { defaultConfig } from '../../src/config/load.ts';
import type { UpstreamConfig } from '../../src/config/schema.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { checkRunning } from '../../src/doctor/running-check.ts';
import { checkUpstream } from '../../src/doctor/upstream-check.ts';
import { openDataDir } from '../../src/records/data-dir.ts';
import { isHeld } from '../../src/records/held.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { startImageServer, type Behaviour, type ImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { tlsFile } from '../support/tls.ts';
import { fakeIo } from '../unit/cli/fake-io.ts';

const DEADLINE_MS = 400;
const userAgent = 'test/1';

async function imageServer(t: TestContext, behaviour: Behaviour = {}): Promise<ImageServer> {
  const server = await startImageServer({ images: [makeImage({ size: 1_000 })], behaviour });
  t.after(() => server.close());
  return server;
}

async function running(dir: string): Promise<{ readonly address: string | undefined; readonly findings: Finding[] }> {
  const findings: Finding[] = [];
  const report = (finding: Finding): void => void findings.push(finding);
  return { address: await checkRunning(dir, { report, userAgent, deadlineMs: DEADLINE_MS }), findings };
}

/** A directory held by this process, which says that it serves there. */
async function heldDir(t: TestContext, address?: string): Promise<string> {
  const dir = path.join(await makeTempDir(t), 'cache');
  const dataDir = await openDataDir({ log: createCaptureLog() }, { dir, pid: 4242 });
  t.after(() => dataDir.close());
  if (address !== undefined) await dataDir.writeServing({ address, pid: 4242, secret: 's' });
  return dir;
}

async function upstreamFindings(
  url: string,
  changes: Partial<UpstreamConfig> = {},
  now = Date.now,
): Promise<Finding[]> {
  const [defaults] = defaultConfig().upstreams;
  assert.ok(defaults);
  const upstream = { ...defaults, name: 'up', url, proxy: 'none', ...changes };
  return checkUpstream(upstream, { ca: undefined, userAgent, deadlineMs: DEADLINE_MS, now });
}

test('a directory that nobody holds has no mirror, whatever an old serving.json says', async (t) => {
  const dir = await makeTempDir(t);
  assert.equal(await isHeld(path.join(dir, 'none')), false);
  await writeFile(path.join(dir, 'serving.json'), '{"pid":1,"address":"http://127.0.0.1:1"}');
  const { address, findings } = await running(dir);
  assert.equal(address, undefined);
  assert.match(findings[0]?.found ?? '', /^no mirror runs on /);
  assert.equal(findings[0]?.verdict, 'warning');
});

test('a held directory is held until it is given up, and looking does not take it', async (t) => {
  const dir = path.join(await makeTempDir(t), 'cache');
  const dataDir = await openDataDir({ log: createCaptureLog() }, { dir, pid: 1 });
  assert.equal(await isHeld(dir), true);
  await assert.rejects(openDataDir({ log: createCaptureLog() }, { dir, pid: 2 }), { code: 'locked' });
  await dataDir.close();
  assert.equal(await isHeld(dir), false);
});

test('a process that holds the directory and does not serve is told of', async (t) => {
  const { address, findings } = await running(await heldDir(t));
  assert.equal(address, undefined);
  assert.match(findings[0]?.found ?? '', /^process 4242 holds .* and does not serve$/);
});

test('a mirror that is well is named with its address', async (t) => {
  const upstream = await imageServer(t);
  const mirror = await startMirror(t, { upstreams: [upstream.url], waitForCatalog: false });
  const { address, findings } = await running(await heldDir(t, mirror.url));
  assert.equal(address, mirror.url);
  assert.deepEqual(
    findings.map(({ verdict }) => verdict),
    ['ok', 'ok'],
  );
  assert.match(findings[0]?.found ?? '', new RegExp(`^process 4242 serves ${mirror.url}, healthy`));
});

test('a mirror that hangs, or whose port is another’s, is a problem', async (t) => {
  const hung = await imageServer(t, { hangHeaders: true });
  const [noAnswer] = (await running(await heldDir(t, hung.url))).findings;
  assert.equal(noAnswer?.verdict, 'problem');
  assert.match(noAnswer?.found ?? '', /gives no answer: no end within 0\.4 s$/);
  const other = await imageServer(t);
  const [foreign] = (await running(await heldDir(t, other.url))).findings;
  assert.match(foreign?.found ?? '', /health is HTTP status 404/);
});

test('what waits for somebody is told of, each with the command for it', async (t) => {
  const [first, ...rest] = [1, 2, 3, 4].map((n) => makeImage({ name: `i${n}`, size: 1_000 }));
  assert.ok(first);
  const liar = makeImage({ uuid: first.uuid, name: 'i1', size: 2_000 });
  const server = await startImageServer({ images: [first, ...rest] });
  const other = await startImageServer({ images: [] });
  t.after(async () => Promise.all([server.close(), other.close()]));
  const mirror = await startMirror(t, { upstreams: [server.url, other.url] });
  for (const { uuid } of rest) server.images.remove(uuid);
  other.images.add(liar);
  await mirror.app.catalog.refresh();
  await writeFile(path.join(mirror.dir, 'quarantine', `${'a'.repeat(40)}-1`), 'wrong');
  const { findings } = await running(await heldDir(t, mirror.url));
  const warnings = findings.filter(({ verdict }) => verdict === 'warning');
  assert.equal(warnings.length, findings.length - 1, JSON.stringify(findings));
  assert.ok(warnings.every(({ found }) => found.startsWith(`${mirror.url}: `)));
  const [held, conflict, quarantine] = warnings.map(({ found, todo }) =>
    `${found} -> ${todo}`.replace(`${mirror.url}: `, ''),
  );
  assert.match(held ?? '', /^list of up0: .*shrank from 4 to 1: held back -> .*imgapi-mirror refresh --accept/);
  assert.match(conflict ?? '', /^1 image in conflict: .*imgapi-mirror list conflict .*imgapi-mirror accept UUID/);
  assert.match(quarantine ?? '', /^1 file in quarantine: .*imgapi-mirror scrub/);
  await server.stop();
  await mirror.app.catalog.refresh();
  const after = (await running(await heldDir(t, mirror.url))).findings;
  assert.match(after[1]?.found ?? '', /: list of up0: .*ECONNREFUSED/);
  assert.match(after[1]?.todo ?? '', /^the last good one stays in force; imgapi-mirror refresh asks/);
});

test('of an upstream whose list never came it is not said that one is in force', async (t) => {
  const gone = await imageServer(t);
  await gone.stop();
  const mirror = await startMirror(t, { upstreams: [gone.url], waitForCatalog: false });
  await mirror.app.catalog.refresh();
  const { findings } = await running(await heldDir(t, mirror.url));
  const list = findings.find(({ found }) => found.includes('list of up0'));
  assert.match(list?.todo ?? '', /^there is no list of it yet; imgapi-mirror refresh asks/);
});

test('a mirror that is named as a client is looked at itself, beside the one that runs here', async (t) => {
  const upstream = await imageServer(t);
  const [here, other] = await Promise.all([1, 2].map(async () => startMirror(t, { upstreams: [upstream.url] })));
  assert.ok(here && other);
  const dir = await heldDir(t, here.url);
  await writeFile(path.join(other.dir, 'quarantine', `${'a'.repeat(40)}-1`), 'wrong');
  const states = async (url: string): Promise<readonly string[]> => {
    const flags = ['--offline', '--cache-dir', dir, '--as-client', url];
    const { lines } = await typed(await makeTempDir(t), flags);
    return lines.flatMap(
      (line) => /^(\w+ +\w+ +\S+: (?:1 file|no list)) /.exec(line)?.[1]?.replaceAll(/ +/g, ' ') ?? [],
    );
  };
  assert.deepEqual(await states(other.url), [`ok mirror ${here.url}: no list`, `warning cache ${other.url}: 1 file`]);
  assert.deepEqual(await states(`${here.url}/`), [`ok mirror ${here.url}: no list`], 'and the one here only once');
});

test('a mirror of another version is told to be restarted', async (t) => {
  const older = await imageServer(t, { status: 200, body: { status: 'ok', version: '0.0.1' } });
  const { findings } = await running(await heldDir(t, older.url));
  assert.match(findings[1]?.found ?? '', /^the mirror runs version 0\.0\.1, this is /);
});

test('upstreams: well, failing, hanging, refusing, of another time', async (t) => {
  const server = await imageServer(t);
  const [well, ...more] = await upstreamFindings(server.url);
  assert.deepEqual(more, []);
  assert.match(well?.found ?? '', /^up answers in \d+ ms \(http:/);
  const late = await upstreamFindings(server.url, {}, () => Date.now() + 600_000);
  assert.match(late[1]?.found ?? '', /clock is 10 min ahead of that of up$/);
  server.behaviour = { status: 503 };
  assert.match((await upstreamFindings(server.url))[0]?.found ?? '', /^up: ping answers HTTP status 503/);
  server.behaviour = { hangHeaders: true };
  assert.match((await upstreamFindings(server.url))[0]?.found ?? '', /^up: did not answer in time/);
  await server.stop();
  const [refused] = await upstreamFindings(server.url);
  assert.match(refused?.found ?? '', /ECONNREFUSED/);
  assert.match(refused?.todo ?? '', /offline: true/);
});

test('an upstream that is a folder is looked for', async (t) => {
  const dir = await makeTempDir(t);
  assert.equal((await upstreamFindings(dir, { kind: 'directory' }))[0]?.verdict, 'ok');
  await rm(dir, { recursive: true });
  assert.match((await upstreamFindings(dir, { kind: 'directory' }))[0]?.found ?? '', /cannot be read: ENOENT$/);
});

/** Runs the command as it is typed. */
async function typed(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number; readonly lines: string[]; readonly err: string }> {
  const fake = fakeIo(['doctor', ...args], { cwd, env: { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0', ...env } });
  const code = await runCli(fake.io);
  return { code, lines: fake.out().split('\n').slice(0, -1), err: fake.err() };
}

test('the command writes a line for each thing, the sum at the end, and exits 0 where nothing is a problem', async (t) => {
  const cwd = await makeTempDir(t);
  const upstream = await imageServer(t);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const [image] = upstream.images.all();
  await rawRequest({ port: mirror.port, path: `/images/${image?.uuid}/file` });
  const { code, lines, err } = await typed(cwd, ['--upstream', upstream.url, '--as-client', mirror.url]);
  assert.deepEqual([code, err], [0, '']);
  const heads = lines.map((line) => line.split(/ {2,}/, 2).join(' '));
  const wanted = [
    'ok config',
    'ok cache',
    'warning mirror',
    'ok upstream',
    'ok ping',
    'ok mirror',
    'ok list',
    'ok manifest',
    'ok file',
  ];
  assert.deepEqual(heads.slice(0, -1), wanted);
  assert.equal(lines.at(-1), 'no problem, 1 warning');
});

test('with --json every line is a value, the last one the result', async (t) => {
  const cwd = await makeTempDir(t);
  const upstream = await imageServer(t);
  await upstream.stop();
  const { code, lines } = await typed(cwd, ['--json', '--upstream', upstream.url, '--as-client', upstream.url]);
  assert.equal(code, 1);
  const values: unknown[] = lines.map((line) => JSON.parse(line));
  assert.deepEqual(values.at(-1), { ok: false, problems: 2, warnings: 1 });
  assert.partialDeepStrictEqual(values.at(-2), { verdict: 'problem', check: 'ping' });
});

test('a configuration that is wrong is a problem, and the client’s view is looked at all the same', async (t) => {
  const upstream = await imageServer(t);
  const { code, lines } = await typed(await makeTempDir(t), ['--port', 'x', '--as-client', upstream.url]);
  assert.equal(code, 1);
  assert.match(lines[0] ?? '', /^problem {2}config {7}--port: listen\.port: found "x"/);
  assert.match(lines[1] ?? '', /^ok {7}ping/);
});

test('certificates of the configuration are looked at', async (t) => {
  const upstream = await imageServer(t);
  const cwd = await makeTempDir(t);
  const first = async (pair: string): Promise<string> => {
    const env = {
      IMGAPI_MIRROR_LISTEN_TLS_CERT_FILE: tlsFile(`${pair}.cert.pem`),
      IMGAPI_MIRROR_LISTEN_TLS_KEY_FILE: tlsFile(`${pair}.key.pem`),
    };
    const { lines } = await typed(cwd, ['--upstream', upstream.url], env);
    return lines.find((line) => line.includes('  certificate  ')) ?? '';
  };
  assert.match(await first('rsa'), /^ok .*rsa\.cert\.pem is valid until 2\d{3}-/);
  assert.match(await first('ed25519'), /^problem .*SmartOS cannot speak to a server with a key of type ed25519/);
  assert.match(await first('other-curve'), /^warning .*may not know the curve/);
});

test('what is no URL of a mirror is wrong usage', async (t) => {
  const cwd = await makeTempDir(t);
  for (const url of ['mirror:8080', 'ftp://mirror', 'http://', 'http://u:p@mirror', 'http://mirror?x', 'nonsense']) {
    const { code, lines, err } = await typed(cwd, ['--as-client', url]);
    assert.deepEqual([code, lines], [2, []], url);
    assert.match(err, /^imgapi-mirror: --as-client: found .* would do \(imgapi-mirror doctor --help\)\n$/);
  }
});
