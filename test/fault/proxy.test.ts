/** Issue 3, item 7: upstreams behind an HTTP proxy, named in the configuration or in the environment. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as forward, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { inspect } from 'node:util';
import { assertError, createAsk, uuidsOf } from '../integration/ask.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { tlsPair } from '../support/tls.ts';
import { bytesOf, httpClientFor } from '../unit/upstream/loopback.ts';

const never = new AbortController().signal;
const get = { kind: 'list', path: '/images', headers: {}, signal: never } as const;

interface Proxy {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** `GET http://...` and `CONNECT host:port`, in order. */
  readonly asked: string[];
  /** `Proxy-Authorization` of each. */
  readonly credentials: (string | undefined)[];
  /** Refuses every request with this. */
  refusal: number | undefined;
  /** Reads requests and never answers. */
  isHanging: boolean;
  stop(): Promise<void>;
}

/** A small forward proxy: absolute-form requests, and tunnels. */
async function startProxy(t: TestContext): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const note = ({ method, url, headers }: IncomingMessage): boolean => {
    proxy.asked.push(`${method} ${url}`);
    proxy.credentials.push(headers['proxy-authorization']);
    return proxy.isHanging;
  };
  const server = createServer((request, response) => {
    if (note(request)) return;
    if (proxy.refusal !== undefined) {
      response.writeHead(proxy.refusal).end();
      return;
    }
    const headers = { ...request.headers };
    delete headers['proxy-authorization'];
    const onward = forward(request.url ?? '', { headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    response.on('close', () => onward.destroy());
    onward.end();
  });
  server.on('connect', (request, socket: Socket) => {
    if (note(request)) return;
    if (proxy.refusal !== undefined) {
      socket.end(`HTTP/1.1 ${proxy.refusal} No\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const target = connect({ host: hostname, port: Number(port) }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(target).pipe(socket);
    });
    sockets.add(target);
    // What ends one end ends the other.
    target.on('error', () => {}).on('close', () => socket.destroy());
    socket.on('error', () => {}).on('close', () => target.destroy());
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  async function stop(): Promise<void> {
    for (const socket of sockets) socket.destroy();
    if (!server.listening) return;
    server.close();
    await once(server, 'close');
  }
  t.after(stop);
  const proxy: Proxy = {
    port,
    url: `http://127.0.0.1:${port}`,
    asked: [],
    credentials: [],
    refusal: undefined,
    isHanging: false,
    stop,
  };
  return proxy;
}

/** Sets variables of the environment for one test. */
function withEnv(t: TestContext, variables: Readonly<Record<string, string>>): void {
  const names = ['http_proxy', 'https_proxy', 'no_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];
  const before = names.map((name) => [name, process.env[name]] as const);
  for (const name of names) delete process.env[name];
  Object.assign(process.env, variables);
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

test('lists, manifests and files come through a configured proxy, which alone sees its credentials', async (t) => {
  const image = makeImage({ seed: 1, size: 300_000 });
  const hidden = makeImage({ seed: 2, size: 5_000, state: 'disabled' });
  await using upstream = await startImageServer({ images: [image, hidden] });
  const proxy = await startProxy(t);
  const url = `http://user:s3cret%21@127.0.0.1:${proxy.port}`;
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, proxy: url }] });
  const ask = createAsk(mirror);
  assert.deepEqual(uuidsOf(await ask('/images')), [image.uuid]);
  assert.equal((await ask(`/images/${hidden.uuid}`)).status, 200);
  assert.equal((await ask(`/images/${image.uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
  assert.equal(proxy.asked.length, upstream.requests.length, 'nothing went past it');
  assert.ok(proxy.asked.includes(`GET ${upstream.url}/images/${image.uuid}/file`));
  const expected = `Basic ${Buffer.from('user:s3cret!').toString('base64')}`;
  assert.deepEqual([...new Set(proxy.credentials)], [expected]);
  for (const { headers } of upstream.requests) {
    assert.equal(headers['proxy-authorization'], undefined);
    assert.equal(headers['host'], new URL(upstream.url).host);
  }
});

test('a proxy that is down makes its upstream unavailable, and nobody learns its password', async (t) => {
  await using upstream = await startImageServer();
  const proxy = await startProxy(t);
  await proxy.stop();
  const url = `http://user:s3cret@127.0.0.1:${proxy.port}`;
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, proxy: url }] });
  const ask = createAsk(mirror);
  const message = new RegExp(`upstream up0: through the proxy ${proxy.url}: .*ECONNREFUSED`);
  const uuid = '99999999-0000-4000-8000-000000000000';
  for (const path of ['/images', `/images/${uuid}`, `/images/${uuid}/file`]) {
    assertError(await ask(path), { status: 503, code: 'ServiceUnavailableError', message });
  }
  assert.equal(upstream.requests.length, 0, 'nothing goes past a proxy that is down');
  const said = inspect(mirror.log.lines, { depth: 20 });
  assert.doesNotMatch(said, /s3cret|dXNlcjpzM2NyZXQ/);
});

test('a proxy that hangs is noticed by the stall timeout, for plain requests and for tunnels', async (t) => {
  const proxy = await startProxy(t);
  proxy.isHanging = true;
  for (const url of ['http://images.test', 'https://images.test']) {
    const client = httpClientFor(t, url, { proxy: proxy.url, stallTimeoutMs: 200 });
    await assert.rejects(client.get(get), { code: 'UpstreamUnavailable', message: /through the proxy .*stallTimeout/ });
  }
  assert.deepEqual(proxy.asked, ['GET http://images.test/images', 'CONNECT images.test:443']);
});

test('an upstream that stalls behind a proxy is noticed too', async (t) => {
  await using upstream = await startImageServer({ behaviour: { hangHeaders: true } });
  const proxy = await startProxy(t);
  const client = httpClientFor(t, upstream.url, { proxy: proxy.url, stallTimeoutMs: 200 });
  await assert.rejects(client.get(get), { message: /stallTimeout/ });
});

test('https goes through a tunnel, with the upstream’s own certificate checked', async (t) => {
  const tls = tlsPair('rsa');
  await using upstream = await startImageServer({ images: [makeImage({ size: 1_000 })], tls });
  const proxy = await startProxy(t);
  const url = upstream.url.replace('127.0.0.1', 'localhost');
  const trusting = httpClientFor(t, url, { proxy: proxy.url, ca: tls.cert });
  const response = await trusting.get(get);
  assert.equal(response.status, 200);
  assert.equal(JSON.parse((await bytesOf(response.body)).toString()).length, 1);
  assert.deepEqual(proxy.asked, [`CONNECT localhost:${upstream.port}`]);
  const strict = httpClientFor(t, url, { proxy: proxy.url });
  await assert.rejects(strict.get(get), { code: 'UpstreamUnavailable', message: /through the proxy .*certificate/ });
});

test('a proxy that refuses is said to have refused', async (t) => {
  const proxy = await startProxy(t);
  proxy.refusal = 407;
  const message = /through the proxy .*407/;
  for (const url of ['http://images.test', 'https://images.test']) {
    const client = httpClientFor(t, url, { proxy: proxy.url });
    await assert.rejects(client.get(get), { code: 'UpstreamUnavailable', message });
  }
});

test('env takes the proxy of the environment, but not for what no_proxy names; none takes no proxy at all', async (t) => {
  await using upstream = await startImageServer();
  const proxy = await startProxy(t);
  const count = async (url: string, mode: string): Promise<number> => {
    const before = proxy.asked.length;
    const response = await httpClientFor(t, url, { proxy: mode }).get(get);
    await response.discard();
    assert.equal(response.status, 200);
    return proxy.asked.length - before;
  };
  const byName = upstream.url.replace('127.0.0.1', 'localhost');
  withEnv(t, { http_proxy: proxy.url, no_proxy: 'other.test, localhost' });
  assert.equal(await count(upstream.url, 'env'), 1);
  assert.equal(await count(byName, 'env'), 0);
  assert.equal(await count(upstream.url, 'none'), 0);
  process.env['no_proxy'] = '*';
  assert.equal(await count(upstream.url, 'env'), 0);
  delete process.env['no_proxy'];
  delete process.env['http_proxy'];
  assert.equal(await count(upstream.url, 'env'), 0, 'without variables it goes straight');
});

test('behind a proxy names of this machine are refused where nobody wrote or allowed them, other names are the proxy’s business', async (t) => {
  const proxy = await startProxy(t);
  proxy.refusal = 407;
  const refused = async (
    url: string,
    options: { readonly allowAddresses?: readonly string[] } = {},
  ): Promise<string> => {
    const before = proxy.asked.length;
    const error: unknown = await httpClientFor(t, url, { proxy: proxy.url, ...options })
      .get(get)
      .then(
        ({ status }) => status,
        (reason: unknown) => reason,
      );
    return proxy.asked.length > before ? 'asked' : String(error instanceof Error ? error.message : error);
  };
  for (const url of ['http://images.localhost', 'https://images.localhost', 'http://localhost.']) {
    assert.match(await refused(url), /allowAddresses does not allow/, url);
    assert.equal(await refused(url, { allowAddresses: ['127.0.0.0/8'] }), 'asked', url);
  }
  assert.equal(await refused('http://localhost:1'), 'asked', 'written by the operator');
  assert.equal(await refused('http://images.test'), 'asked');
});

test('a redirect to an address nobody wrote is not followed behind a proxy either', async (t) => {
  for (const location of ['http://169.254.169.254/latest/meta-data', 'http://127.0.0.1:1/', 'http://[::1]/']) {
    await using upstream = await startImageServer({ behaviour: { redirectTo: location } });
    const proxy = await startProxy(t);
    const client = httpClientFor(t, upstream.url, { proxy: proxy.url });
    await assert.rejects(client.get(get), { code: 'UpstreamUnavailable', message: /allowRedirectsTo does not name/ });
    assert.deepEqual(proxy.asked, [`GET ${upstream.url}/images`]);
  }
});
