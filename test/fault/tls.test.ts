/** HTTPS towards clients: what SmartOS accepts, changed while it runs, and no way to hang it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFile, readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { connect as connectTcp } from 'node:net';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { runEntry, runServe, startServing, type ServingProcess } from '../e2e/mirror-process.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { tlsFile, tlsPair, type PairName } from '../support/tls.ts';
import { until } from '../support/wait-for.ts';

const NOBODY = 'http://127.0.0.1:1';
const { cert: rsa } = tlsPair('rsa');
const { cert: ec } = tlsPair('ec');

interface Place {
  readonly cwd: string;
  readonly dir: string;
  readonly env: Readonly<Record<string, string>>;
}

/** A folder with `cert.pem` and `key.pem`, and the variables that name them. */
async function placeWith(t: TestContext, pair: PairName): Promise<Place> {
  const cwd = await makeTempDir(t);
  await putPair(cwd, pair);
  return {
    cwd,
    dir: path.join(cwd, 'cache'),
    env: { IMGAPI_MIRROR_LISTEN_TLS_CERT_FILE: 'cert.pem', IMGAPI_MIRROR_LISTEN_TLS_KEY_FILE: 'key.pem' },
  };
}

async function putPair(cwd: string, cert: PairName, key = cert): Promise<void> {
  await copyFile(tlsFile(`${cert}.cert.pem`), path.join(cwd, 'cert.pem'));
  await copyFile(tlsFile(`${key}.key.pem`), path.join(cwd, 'key.pem'));
}

/** Shakes hands; rejects if that fails. */
async function handshake(t: TestContext, port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, ...options });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** Tells it to read its files again, and waits until it has; resolves with its line about it. */
async function reload(mirror: ServingProcess): Promise<Record<string, unknown>> {
  const lines = (): Record<string, unknown>[] =>
    mirror.log().filter(({ msg }) => /^configuration (not )?reloaded/.test(String(msg)));
  const before = lines().length;
  mirror.child.kill('SIGHUP');
  return until(() => lines()[before]);
}

test('with a certificate it speaks HTTPS alone, says so everywhere, and a whole file goes through', async (t) => {
  const image = makeImage({ size: 300_000 });
  await using upstream = await startImageServer({ images: [image] });
  const place = await placeWith(t, 'rsa');
  const mirror = await startServing(t, { ...place, upstreams: [upstream.url] });
  assert.match(mirror.url, /^https:\/\/127\.0\.0\.1:\d+$/);
  const serving: unknown = JSON.parse(await readFile(path.join(place.dir, 'serving.json'), 'utf8'));
  assert.partialDeepStrictEqual(serving, { address: mirror.url });
  for (const cache of ['MISS', 'HIT']) {
    const file = await rawRequest({ port: mirror.port, ca: rsa, path: `/images/${image.uuid}/file`, hash: true });
    assert.deepEqual([file.headers['x-cache'], file.sha1], [cache, image.files[0]?.sha1]);
    await until(() => mirror.log().some(({ msg }) => msg === 'download stored'));
  }
  await assert.rejects(rawRequest({ port: mirror.port, path: '/ping' }), 'plain HTTP');
  assert.equal((await rawRequest({ port: mirror.port, ca: rsa, path: '/ping' })).status, 200);
});

test('it shakes hands with a client that has TLS 1.2 and SmartOS’s ciphers, and with none that has less', async (t) => {
  for (const [pair, ciphers] of [
    ['rsa', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ['ec', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ] as const) {
    const mirror = await startServing(t, { ...(await placeWith(t, pair)), upstreams: [NOBODY] });
    const { cert: ca } = tlsPair(pair);
    const old = { ca, ciphers, ecdhCurve: 'prime256v1', sigalgs: 'RSA+SHA256:ECDSA+SHA256' };
    const socket = await handshake(t, mirror.port, { ...old, maxVersion: 'TLSv1.2' });
    assert.deepEqual([socket.getProtocol(), socket.authorized], ['TLSv1.2', true]);
    const older = { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    await assert.rejects(handshake(t, mirror.port, older));
    assert.equal((await rawRequest({ port: mirror.port, ca, path: '/ping' })).status, 200);
  }
});

test('a new certificate is served from SIGHUP on, and open connections go on', async (t) => {
  const place = await placeWith(t, 'rsa');
  const mirror = await startServing(t, { ...place, upstreams: [NOBODY] });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = async (): Promise<number> => {
    const headers = { connection: 'keep-alive' };
    return (await rawRequest({ port: mirror.port, ca: rsa, path: '/ping', agent, headers })).status;
  };
  assert.equal(await ask(), 200);
  await putPair(place.cwd, 'ec');
  assert.deepEqual((await reload(mirror))['applied'], ['certificate']);
  assert.equal(await ask(), 200, 'on the connection of before');
  assert.equal((await rawRequest({ port: mirror.port, ca: ec, path: '/ping' })).status, 200);
  await assert.rejects(rawRequest({ port: mirror.port, ca: rsa, path: '/ping' }));
});

test('a pair that would not do is not taken at SIGHUP: the one of before stays, and the reason is said', async (t) => {
  const place = await placeWith(t, 'rsa');
  const mirror = await startServing(t, { ...place, upstreams: [NOBODY] });
  for (const [cert, key, reason] of [
    ['rsa', 'ec', /listen\.tls\.keyFile: .*not the key of the certificate/],
    ['ed25519', 'ed25519', /listen\.tls\.keyFile: .*SmartOS cannot speak/],
  ] as const) {
    await putPair(place.cwd, cert, key);
    const line = await reload(mirror);
    assert.equal(line['msg'], 'configuration not reloaded, nothing was changed');
    assert.match(String(line['problems']), reason);
    assert.equal((await rawRequest({ port: mirror.port, ca: rsa, path: '/ping' })).status, 200);
  }
});

test('serve and config check refuse what no SmartOS host could use, in one line, and warn of what is late', async (t) => {
  const place = await placeWith(t, 'rsa');
  const cases: readonly (readonly [cert: PairName, key: PairName, line: RegExp])[] = [
    ['rsa', 'ec', /^listen\.tls\.keyFile: "key\.pem": it is not the key of the certificate\n$/],
    ['ed25519', 'ed25519', /^listen\.tls\.keyFile: "key\.pem": SmartOS cannot speak to .* ed25519; [^\n]*\n$/],
    ['rsa-pss', 'rsa-pss', /^listen\.tls\.keyFile: "key\.pem": SmartOS cannot speak to .* rsa-pss; [^\n]*\n$/],
  ];
  for (const [cert, key, line] of cases) {
    await putPair(place.cwd, cert, key);
    const served = runServe(t, { ...place, upstreams: [NOBODY] });
    const checked = runEntry(t, ['config', 'check'], place);
    assert.deepEqual([await served.ended, await checked.ended], [2, 2]);
    assert.match(served.err(), line);
    assert.equal(checked.err(), served.err());
  }
  await putPair(place.cwd, 'other-curve');
  const warned = runEntry(t, ['config', 'check', '--json'], place);
  assert.equal(await warned.ended, 0);
  assert.match(String(warned.log()[0]?.['warnings']), /^listen\.tls: SmartOS may not know the curve secp256k1/);
  const missing = runEntry(t, ['config', 'check'], {
    ...place,
    env: { ...place.env, IMGAPI_MIRROR_LISTEN_TLS_KEY_FILE: 'no.pem' },
  });
  assert.equal(await missing.ended, 2);
  assert.equal(missing.err(), 'listen.tls.keyFile: cannot read "no.pem": no such file\n');
});

test('noise, plain HTTP and silence on the TLS port harm nobody, and do not hold up its end', async (t) => {
  const place = await placeWith(t, 'ec');
  // Far longer than this test waits.
  const env = { ...place.env, IMGAPI_MIRROR_LISTEN_DRAIN_TIMEOUT: '1h' };
  const mirror = await startServing(t, { ...place, env, upstreams: [NOBODY] });
  for (const bytes of [
    'GET /ping HTTP/1.1\r\nHost: x\r\n\r\n',
    '\0'.repeat(5_000),
    '\x16\x03\x01\x02\0\x01\0\x01\xfc',
  ]) {
    const socket = connectTcp({ host: '127.0.0.1', port: mirror.port });
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    socket.write(bytes);
    socket.end();
    socket.resume();
    await once(socket, 'close');
  }
  const silent = connectTcp({ host: '127.0.0.1', port: mirror.port });
  silent.on('error', () => {});
  t.after(() => silent.destroy());
  await once(silent, 'connect');
  assert.equal((await rawRequest({ port: mirror.port, ca: ec, path: '/ping' })).status, 200);
  mirror.child.kill('SIGTERM');
  await until(() => mirror.child.exitCode !== null, { deadlineMs: 20_000, what: 'it ends without the silent one' });
  assert.equal(await mirror.ended, 0);
});
