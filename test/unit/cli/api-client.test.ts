import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { createApiClient, type ApiClient } from '../../../src/cli/api-client.ts';
import type { OperationContext, OperationEvent } from '../../../src/operations/operation.ts';

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

interface Mirror {
  readonly client: ApiClient;
  readonly asked: readonly Asked[];
}

/** A mirror that answers every request so. */
async function mirrorThat(
  t: TestContext,
  answer: (response: ServerResponse) => void,
  options: { readonly token?: string; readonly base?: string } = {},
): Promise<Mirror> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      asked.push({ method: request.method, url: request.url, headers: request.headers, body });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const url = `http://127.0.0.1:${port}${options.base ?? ''}`;
  const client = createApiClient({ url, token: options.token, isOwnMachine: true });
  t.after(async () => {
    await client.close();
    server.closeAllConnections();
    server.close();
  });
  return { client, asked };
}

function context(onEvent: (event: OperationEvent) => void = () => undefined): OperationContext {
  return { signal: new AbortController().signal, onEvent };
}

function lines(response: ServerResponse, ...values: readonly unknown[]): ServerResponse {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for (const value of values) response.write(`${JSON.stringify(value)}\n`);
  return response;
}

const json =
  (status: number, value: unknown) =>
  (response: ServerResponse): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

const redirect = (response: ServerResponse): void => void response.writeHead(301, { location: '/' }).end();

test('a read is a GET with its input in path and query', async (t) => {
  const { client, asked } = await mirrorThat(t, json(200, { images: [] }), { token: 'a-token', base: '/imgapi' });
  assert.deepEqual(await client.run('list', { selectors: ['name=a b', 'cached'], limit: 3 }, context()), {
    images: [],
  });
  await client.run('show', { uuid: 'a/../b' }, context());
  assert.deepEqual(
    asked.map(({ method, url }) => `${method} ${url}`),
    [
      'GET /imgapi/_mirror/api/images?selector=name%3Da+b&selector=cached&limit=3',
      'GET /imgapi/_mirror/api/images/a%2F..%2Fb',
    ],
  );
  assert.ok(
    asked.every(({ headers }) => headers.authorization === undefined),
    'reads need no token, and get none',
  );
});

test('a write sends its token and JSON, and tells of every event before the result', async (t) => {
  const events: OperationEvent[] = [];
  const { client, asked } = await mirrorThat(
    t,
    (response) => {
      lines(
        response,
        { event: { type: 'progress', done: 1 } },
        { event: { type: 'alive' } },
        { result: { checked: 2 } },
      );
      response.end();
    },
    { token: 'a-token' },
  );
  const result = await client.run(
    'scrub',
    { a: 1 },
    context((event) => events.push(event)),
  );
  assert.deepEqual(result, { checked: 2 });
  assert.deepEqual(events, [{ type: 'progress', done: 1 }], 'signs of life are nobody’s business');
  const [request] = asked;
  assert.equal(request?.method, 'POST');
  assert.equal(request?.body, '{"a":1}');
  assert.equal(request?.headers.authorization, 'Bearer a-token');
  assert.equal(request?.headers['content-type'], 'application/json');
});

test('the mirror’s errors are its own, in an answer as in the last line', async (t) => {
  const error = { code: 'ValidationFailed', message: 'no', errors: [{ field: 'selectors', code: 'Invalid' }] };
  const refused = await mirrorThat(t, json(422, error));
  await assert.rejects(refused.client.run('list', {}, context()), error);
  const failed = await mirrorThat(t, (response) => void lines(response, { error }).end());
  await assert.rejects(failed.client.run('scrub', {}, context()), error);
});

test('a code nobody knows and an answer that is none of ours are errors of their own', async (t) => {
  const strange = await mirrorThat(t, json(418, { code: 'Teapot', message: 'short and stout' }));
  await assert.rejects(strange.client.run('list', {}, context()), {
    code: 'InternalError',
    message: 'short and stout',
  });
  const page = await mirrorThat(t, (response) => void response.writeHead(502).end('<h1>Bad Gateway</h1>'));
  await assert.rejects(page.client.run('list', {}, context()), {
    code: 'UpstreamUnavailable',
    message:
      /^no imgapi-mirror answers at http:\/\/127\.0\.0\.1:\d+: HTTP status 502 \(is something in front of it\?\)$/,
  });
  const other = await mirrorThat(t, (response) => void response.writeHead(200).end('hello'));
  await assert.rejects(other.client.run('list', {}, context()), {
    code: 'UpstreamUnavailable',
    message: /imgapi-mirror/,
  });
});

test('a server of something else is no mirror, and says so; what a mirror does not know is another matter', async (t) => {
  const notThere = { code: 'ResourceNotFound', message: '/_mirror/api/status does not exist' };
  for (const [status, answer] of [
    [401, json(401, { code: 'UnauthorizedError', message: 'Unauthorized' })],
    [403, json(403, {})],
    [500, json(500, { error: 'oops' })],
    [501, (response: ServerResponse) => void response.writeHead(501).end('<h1>no POST</h1>')],
  ] as const) {
    const { client } = await mirrorThat(t, answer);
    await assert.rejects(client.run('status', {}, context()), {
      code: 'UpstreamUnavailable',
      message: new RegExp(
        `^no imgapi-mirror answers at http://127\\.0\\.0\\.1:\\d+: HTTP status ${status} \\(is .*\\?\\)$`,
      ),
    });
  }
  for (const answer of [json(404, notThere), json(405, {}), redirect]) {
    const { client } = await mirrorThat(t, answer);
    await assert.rejects(client.run('status', {}, context()), {
      code: 'UpstreamUnavailable',
      message: /^there is no imgapi-mirror at http:\/\/127\.0\.0\.1:\d+$/,
    });
  }
  const unknown = { code: 'ResourceNotFound', message: 'no image has this uuid' };
  const ours = await mirrorThat(t, (response) =>
    json(404, unknown)(response.setHeader('server', 'imgapi-mirror/1.2.3')),
  );
  await assert.rejects(ours.client.run('show', { uuid: 'x' }, context()), unknown);
  assert.equal(ours.asked.length, 1);
  // Behind a proxy it has another name.
  let asked = 0;
  const proxied = await mirrorThat(t, (response) => {
    asked += 1;
    json(asked === 1 ? 404 : 200, asked === 1 ? unknown : { status: 'ok', version: '1.2.3' })(response);
  });
  await assert.rejects(proxied.client.run('show', { uuid: 'x' }, context()), unknown);
  assert.equal(proxied.asked[1]?.url, '/_mirror/health');
});

test('an answer that breaks off, ends early or is no JSON is no result', async (t) => {
  const event = { event: { type: 'progress' } };
  const broken = await mirrorThat(t, (response) => lines(response, event).write('{"res', () => response.destroy()));
  await assert.rejects(broken.client.run('scrub', {}, context()), { code: 'UpstreamUnavailable' });
  const early = await mirrorThat(t, (response) => void lines(response, event).end());
  await assert.rejects(early.client.run('scrub', {}, context()), { code: 'UpstreamUnavailable', message: /broke off/ });
  const text = await mirrorThat(t, (response) => void lines(response).end('what?\n'));
  await assert.rejects(text.client.run('scrub', {}, context()), { code: 'UpstreamUnavailable', message: /no JSON/ });
});

test('nobody there is said so, with the address', async () => {
  const client = createApiClient({ url: 'http://127.0.0.1:1', token: undefined, isOwnMachine: false });
  await assert.rejects(client.run('status', {}, context()), {
    code: 'UpstreamUnavailable',
    message: /^the mirror at http:\/\/127\.0\.0\.1:1 does not answer: .*ECONNREFUSED/,
  });
  await client.close();
});

test('who leaves in the middle waits for nothing', async (t) => {
  const leaving = new AbortController();
  const { client } = await mirrorThat(t, (response) => void lines(response, { event: { type: 'progress' } }));
  const run = client.run('scrub', {}, { signal: leaving.signal, onEvent: () => leaving.abort() });
  await assert.rejects(run, { name: 'AbortError' });
});
