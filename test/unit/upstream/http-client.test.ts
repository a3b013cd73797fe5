import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readAll } from '../../../src/upstream/http-client.ts';
import { reasonOf } from '../../../src/upstream/unavailable.ts';
import { until } from '../../support/wait-for.ts';
import { bytesOf, httpClientFor, startLoopback, status } from './loopback.ts';

const never = new AbortController().signal;
const get = { kind: 'list', path: '/images', headers: {}, signal: never } as const;
const isReason = (reason: string) => (error: unknown) => reasonOf(error) === reason;

test('a request has our user agent, the configured headers and its own, below the base path', async (t) => {
  const server = await startLoopback(t, status(200));
  const client = httpClientFor(t, `${server.url}/base/`, { headers: { authorization: 'Bearer s3cret' } });
  const response = await client.get({ ...get, path: '/images?limit=1', headers: { accept: 'application/json' } });
  assert.equal((await bytesOf(response.body)).toString(), '{}');
  const [seen] = server.requests;
  assert.equal(seen?.url, '/base/images?limit=1');
  const { 'user-agent': agent, authorization, accept } = seen.headers;
  assert.deepEqual([agent, authorization, accept], ['imgapi-mirror/test', 'Bearer s3cret', 'application/json']);
});

test('a redirect to another origin is refused: nothing, and no secret, reaches it', async (t) => {
  const other = await startLoopback(t, status(200));
  const server = await startLoopback(t, status(302, { location: `${other.url}/images` }));
  const client = httpClientFor(t, server.url, { headers: { authorization: 'Bearer s3cret' } });
  await assert.rejects(client.get(get), (error) => reasonOf(error) === 'body' && !String(error).includes('s3cret'));
  assert.equal(other.requests.length, 0);
});

test('an allowed origin is asked, without what was configured for the upstream', async (t) => {
  const other = await startLoopback(t, status(200));
  const server = await startLoopback(t, status(302, { location: `${other.url}/elsewhere?x=1` }));
  const client = httpClientFor(t, server.url, {
    headers: { authorization: 'Bearer s3cret' },
    allowRedirectsTo: [other.url],
  });
  const response = await client.get({ ...get, headers: { 'x-request-id': 'r' } });
  assert.equal((await bytesOf(response.body)).toString(), '{}');
  const [seen] = other.requests;
  assert.equal(seen?.url, '/elsewhere?x=1');
  assert.deepEqual([seen.headers['authorization'], seen.headers['x-request-id']], [undefined, 'r']);
});

test('within its own origin a redirect is followed, with the configured headers, and not for ever', async (t) => {
  const server = await startLoopback(t, (asked, response) => {
    const answer =
      asked.url === '/there' ? status(200) : status(301, { location: asked.url === '/loop' ? '/loop' : '/there' });
    answer(asked, response);
  });
  const client = httpClientFor(t, server.url, { headers: { authorization: 'Bearer s3cret' } });
  const response = await client.get(get);
  await response.discard();
  assert.equal(response.status, 200);
  assert.equal(server.requests[1]?.headers['authorization'], 'Bearer s3cret');
  await assert.rejects(client.get({ ...get, path: '/loop' }), { message: /more than 3 redirects/ });
});

test('a refused redirect lets its connection go, also when its body never ends', async (t) => {
  let isClosed = false;
  const server = await startLoopback(t, (_request, response) => {
    response.on('close', () => {
      isClosed = true;
    });
    response.writeHead(302, { location: 'http://elsewhere.test/' });
    response.write(Buffer.alloc(500_000));
  });
  await assert.rejects(httpClientFor(t, server.url).get(get), { code: 'UpstreamUnavailable' });
  await until(() => isClosed, { deadlineMs: 2_000, what: 'the connection of the refused redirect is closed' });
});

test('of a repeated header the first value counts, whatever the case of its name', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, [
      ['X-Twice', 'one'],
      ['x-twice', 'two'],
    ]);
    response.end();
  });
  const response = await httpClientFor(t, server.url).get(get);
  assert.equal(response.header('x-twice'), 'one');
  assert.equal(response.header('x-none'), undefined);
  await response.discard();
});

test('nobody at the port is "connect", with its code', async (t) => {
  const gone = createServer().listen(0, '127.0.0.1');
  await once(gone, 'listening');
  const address = gone.address();
  const port = typeof address === 'object' ? address?.port : 0;
  gone.close();
  await once(gone, 'close');
  await assert.rejects(httpClientFor(t, `http://127.0.0.1:${port}`).get(get), {
    message: /^upstream up0: .*ECONNREFUSED/,
  });
});

test('a connection that is closed before an answer is "connect"', async (t) => {
  const server = await startLoopback(t, (_request, response) => response.socket?.destroy());
  await assert.rejects(httpClientFor(t, server.url).get(get), isReason('connect'));
});

test('headers that do not come for the stall timeout are "timeout"', async (t) => {
  const server = await startLoopback(t, () => undefined);
  await assert.rejects(httpClientFor(t, server.url, { stallTimeoutMs: 100 }).get(get), isReason('timeout'));
});

test('bytes that stop coming for the stall timeout are "timeout"', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('some');
  });
  const response = await httpClientFor(t, server.url, { stallTimeoutMs: 100 }).get(get);
  await assert.rejects(bytesOf(response.body), isReason('timeout'));
});

test('an aborted request is "aborted", before its answer and within it', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('some');
  });
  const client = httpClientFor(t, server.url);
  await assert.rejects(client.get({ ...get, signal: AbortSignal.abort() }), isReason('aborted'));
  const abort = new AbortController();
  const response = await client.get({ ...get, signal: abort.signal });
  const reading = bytesOf(response.body);
  abort.abort();
  await assert.rejects(reading, isReason('aborted'));
});

test('a body that breaks off is "connect", not a short body', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('some', () => response.socket?.destroy());
  });
  const response = await httpClientFor(t, server.url).get(get);
  await assert.rejects(bytesOf(response.body), isReason('connect'));
});

test('whoever stops reading early closes the connection, and the server hears of it', async (t) => {
  const closed = Promise.withResolvers<void>();
  const server = await startLoopback(t, (_request, response) => {
    response.on('close', () => closed.resolve());
    response.writeHead(200);
    response.write(Buffer.alloc(1_000_000));
  });
  const response = await httpClientFor(t, server.url).get(get);
  const reader = response.body[Symbol.asyncIterator]();
  await reader.next();
  await reader.return?.();
  await closed.promise;
});

test('an answer nobody wants lets its connection go, also when it never ends', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(500);
    const pour = (): void => {
      while (response.writable && response.write(Buffer.alloc(65_536)));
      if (response.writable) response.once('drain', pour);
    };
    pour();
  });
  const response = await httpClientFor(t, server.url).get(get);
  await response.discard();
});

test('a whole answer is read plain and gunzipped', async (t) => {
  const text = 'a text '.repeat(1000);
  const server = await startLoopback(t, (_request, response) => response.end(text));
  const client = httpClientFor(t, server.url);
  assert.equal((await readAll('up0', await client.get(get), 7000)).toString(), text);
  server.answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(text));
  assert.equal((await readAll('up0', await client.get(get), 7000)).toString(), text);
});

test('more than allowed is refused: as it comes, and as it inflates', async (t) => {
  const bomb = gzipSync(Buffer.alloc(50_000_000));
  const server = await startLoopback(t, (_request, response) => response.end(Buffer.alloc(7001)));
  const client = httpClientFor(t, server.url);
  const tooLarge = { code: 'UpstreamUnavailable', message: /larger than the allowed/ };
  await assert.rejects(
    client.get(get).then(async (response) => readAll('up0', response, 7000)),
    tooLarge,
  );
  server.answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
  await assert.rejects(
    client.get(get).then(async (response) => readAll('up0', response, 100_000)),
    tooLarge,
  );
});

test('gzip that is cut off or no gzip at all is refused', async (t) => {
  const packed = gzipSync('a text '.repeat(1000));
  const server = await startLoopback(t, () => undefined);
  const client = httpClientFor(t, server.url);
  for (const body of [packed.subarray(0, packed.length - 9), Buffer.from('plain'), Buffer.alloc(0)]) {
    server.answer = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(body);
    const read = client.get(get).then(async (response) => readAll('up0', response, 100_000));
    await assert.rejects(read, { code: 'UpstreamUnavailable', message: /no sound gzip/ }, `${body.length} bytes`);
  }
});

test('after the close requests fail and running bodies end', async (t) => {
  const server = await startLoopback(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write('some');
  });
  const client = httpClientFor(t, server.url);
  const response = await client.get(get);
  const reading = bytesOf(response.body);
  await Promise.all([assert.rejects(reading, { code: 'UpstreamUnavailable' }), client.close()]);
  await assert.rejects(client.get(get), { code: 'UpstreamUnavailable' });
});
