import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setupScriptRoute } from '../../src/http/routes/setup-script.ts';
import { createClientGate } from '../../src/http/client-gate.ts';
import { createServer } from '../../src/http/server.ts';
import { createSecureServers } from '../../src/http/tls.ts';
import { defaultConfig } from '../../src/config/load.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { makeFakeImgadm } from '../support/fake-imgadm.ts';
import { startImageServer } from '../support/image-server.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { tlsPair } from '../support/tls.ts';
import { assertError, createAsk, sendBytes } from './ask.ts';

const PATH = '/_mirror/setup.sh';

async function startOne(t: TestContext, publicUrl: string | null = null): Promise<{ readonly port: number }> {
  const upstream = await startImageServer();
  t.after(() => upstream.close());
  return startMirror(t, { upstreams: [upstream.url], listen: { publicUrl }, waitForCatalog: false });
}

test('what a mirror serves at setup.sh makes a host use it, by the address it was asked at', async (t) => {
  const { port } = await startOne(t);
  const { status, headers, text } = await createAsk({ port })(PATH);
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/x-shellscript; charset=utf-8');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['content-length'], String(Buffer.byteLength(text)));
  const imgadm = await makeFakeImgadm(await makeTempDir(t), { sources: ['https://images.smartos.org'] });
  assert.equal((await imgadm.run('/bin/sh', text)).code, 0);
  assert.deepEqual(await imgadm.sources(), ['https://images.smartos.org', `http://127.0.0.1:${port}`]);
});

test('HEAD gives the same head; other methods are refused', async (t) => {
  const ask = createAsk(await startOne(t));
  const { headers } = await ask(PATH);
  const head = await ask(PATH, { method: 'HEAD' });
  assert.deepEqual([head.status, head.bytes, head.headers['content-length']], [200, 0, headers['content-length']]);
  assertError(await ask(PATH, { method: 'POST', body: '{}' }), {
    status: 405,
    code: 'MethodNotAllowedError',
    message: 'POST is not allowed',
  });
});

test('listen.publicUrl is used where it is configured, whatever the Host says', async (t) => {
  const ask = createAsk(await startOne(t, 'https://images.lan/mirror'));
  for (const host of ['other:1', "';reboot;'"]) {
    const { status, text } = await ask(PATH, { headers: { host } });
    assert.equal(status, 200);
    assert.match(text, /^mirror='https:\/\/images\.lan\/mirror'$/m);
    assert.doesNotMatch(text, /other:1|reboot/);
  }
});

test('a Host of anything but host characters is 400, and nothing of it comes back', async (t) => {
  const { port } = await startOne(t);
  const ask = createAsk({ port });
  for (const host of [
    "a';reboot;'",
    '$(reboot)',
    '`reboot`',
    'a b',
    'a/reboot',
    'reboot@b',
    'a#b',
    '[::1',
    'a:0',
    '-d',
    '',
  ]) {
    const answer = await ask(PATH, { headers: { host } });
    assert.equal(answer.status, 400, host);
    assert.partialDeepStrictEqual(answer.json, { code: 'BadRequestError' });
    assert.doesNotMatch(answer.text, /reboot/);
  }
  const twice = await ask(PATH, { headers: ['Host', 'mirror', 'Host', 'mirror'] });
  assert.equal(twice.status, 400);
  const none = await sendBytes(port, `GET ${PATH} HTTP/1.0\r\n\r\n`);
  assert.match(none.text, /^HTTP\/1\.1 400 /);
});

test('over TLS the URL is https', async (t) => {
  const pair = tlsPair('rsa');
  const gate = createClientGate({ onRefused: () => {} }, defaultConfig().listen);
  const server = createServer(
    { log: createCaptureLog(), monotonicNow: () => 0, onFinished: () => {}, gate, secure: createSecureServers(pair) },
    { product: 'p/1', hostname: 'h', clientStallTimeoutMs: 10_000 },
  );
  t.after(() => server.close());
  setupScriptRoute(server, { product: 'p/1', publicUrl: null, isSecure: true });
  await server.listen({ host: '127.0.0.1', port: 0 });
  const [address] = server.addresses();
  const port = typeof address === 'object' ? address.port : 0;
  const { body } = await rawRequest({ port, path: PATH, ca: pair.cert, headers: { host: 'Mirror.test' } });
  assert.match(body.toString(), /^mirror='https:\/\/mirror\.test'$/m);
});
