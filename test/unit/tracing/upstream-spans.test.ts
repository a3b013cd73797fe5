import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { ImageUuid } from '../../../src/imgapi/ids.ts';
import { createLineage } from '../../../src/tracing/lineage.ts';
import { traceAttempts, traceHttpClient } from '../../../src/tracing/upstream-spans.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../../../src/upstream/http-client.ts';
import { createImgapiUpstream } from '../../../src/upstream/imgapi-upstream.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { createFakeTracing, type KeptSpan } from './fake-tracing.ts';

const REQUEST_ID = '11111111-2222-4333-8444-555555555555';
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is one
const UUID = 'aaaaaaaa-2222-4333-8444-555555555555' as ImageUuid;

interface Bench {
  readonly upstream: Upstream;
  readonly spans: readonly KeptSpan[];
  readonly asked: readonly HttpRequest[];
  readonly lineage: ReturnType<typeof createLineage>;
}

/** An upstream that answers so, with all that traces it around it. */
function bench(answer: (request: HttpRequest) => Promise<Partial<HttpResponse>>): Bench {
  const tracing = createFakeTracing();
  const lineage = createLineage();
  const asked: HttpRequest[] = [];
  const http: HttpClient = {
    async get(request) {
      asked.push(request);
      const given = await answer(request);
      return { status: 200, header: () => undefined, body: bytes(), discard: async () => {}, ...given };
    },
    close: async () => {},
  };
  const upstream = createImgapiUpstream(
    { http: traceHttpClient(http, 'up0', { tracing, lineage }) },
    {
      name: 'up0',
      url: 'http://up0.test',
      channel: undefined,
      maxDownloads: 1,
      prefetchDownloads: 1,
      jsonTimeoutMs: 1000,
      listMaxBytes: 1000,
    },
  );
  return { upstream: traceAttempts(upstream, { tracing, lineage }), spans: tracing.spans, asked, lineage };
}

async function* bytes(...chunks: readonly string[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function* cutOff(failure: Error): AsyncGenerator<Buffer> {
  yield Buffer.from('abc');
  throw failure;
}

function fileRequest(signal: AbortSignal = new AbortController().signal) {
  return { uuid: UUID, index: 0, channel: 'dev', offset: 0, requestId: REQUEST_ID, signal };
}

/** Its name, whether it was ended once at least, why it failed, and whether it was given up. */
function aborted({ name, ends, failure, attributes }: KeptSpan): unknown[] {
  return [name, Math.min(ends, 1), failure, attributes['imgapi_mirror.aborted']];
}

/** Its name, how often it was ended, and why it failed. */
function told({ name, ends, failure }: KeptSpan): unknown[] {
  return [name, ends > 0, failure];
}

async function streamOf({ upstream }: Bench, signal?: AbortSignal) {
  const answer = await upstream.file(fileRequest(signal));
  assert.ok(answer.kind === 'file');
  return answer.stream;
}

test('a file is an attempt with a request below it, both over with the last byte, and the upstream is told of neither', async () => {
  const it = bench(async () => ({ body: bytes('abc', 'de') }));
  const stream = await streamOf(it);
  assert.deepEqual(
    it.spans.map(({ name, kind, ends }) => ({ name, kind, ends })),
    [
      { name: 'attempt up0', kind: 'internal', ends: 0 },
      { name: 'GET file', kind: 'client', ends: 0 },
    ],
  );
  const [attempt, call] = it.spans;
  assert.equal(attempt?.parent, undefined);
  assert.equal(call?.parent, attempt);
  assert.equal(await text(stream.body), 'abcde');
  assert.deepEqual(it.spans.map(told), [
    ['attempt up0', true, undefined],
    ['GET file', true, undefined],
  ]);
  assert.deepEqual(call?.attributes, {
    'http.request.method': 'GET',
    'url.path': `/images/${UUID}/file`,
    'imgapi_mirror.request_id': REQUEST_ID,
    'imgapi_mirror.upstream': 'up0',
    'imgapi_mirror.kind': 'file',
    'http.response.status_code': 200,
    'imgapi_mirror.body_bytes': 5,
  });
  assert.equal(attempt?.attributes['imgapi_mirror.body_bytes'], 5);
  assert.deepEqual(
    Object.keys(it.asked[0]?.headers ?? {}).filter((name) => /^(trace|bagg|b3|x-b3)/.test(name)),
    [],
  );
});

test('it goes under the span of the work that asks, and what that has begun in the background does not', async () => {
  const it = bench(async () => ({ status: 404 }));
  const tracing = createFakeTracing();
  const request = tracing.begin('GET file', { kind: 'server', attributes: {}, parent: undefined });
  await it.lineage.within({ requestId: REQUEST_ID, span: request }, async () => {
    await it.upstream.file(fileRequest());
    await it.upstream.manifest({ ...fileRequest(), requestId: '99999999-2222-4333-8444-555555555555' });
  });
  assert.deepEqual(
    it.spans.map(({ name, parent }) => [name, parent]),
    [
      ['attempt up0', request],
      ['GET file', it.spans[0]],
      ['GET manifest', undefined],
    ],
  );
});

test('what an upstream does not have, or refuses, is said of both', async () => {
  const absent = bench(async () => ({ status: 404 }));
  await absent.upstream.file(fileRequest());
  assert.deepEqual(absent.spans.map(told), [
    ['attempt up0', true, 'the upstream does not have it'],
    ['GET file', true, 'answered 404'],
  ]);
  const refused = bench(async () => ({ status: 503 }));
  await assert.rejects(refused.upstream.file(fileRequest()));
  const [attempt, call] = refused.spans;
  assert.match(attempt?.failure ?? '', /answered 503/);
  assert.equal(attempt?.attributes['error.type'], 'status');
  assert.equal(call?.attributes['error.type'], '503');
});

test('no connection, and a body that breaks off, are failures with their reason and the bytes that came', async () => {
  const failure = unavailable('up0', 'connect', 'nobody is there');
  const unreachable = bench(async () => {
    throw failure;
  });
  await assert.rejects(unreachable.upstream.file(fileRequest()), failure);
  for (const span of unreachable.spans) {
    assert.deepEqual([span.ends > 0, span.failure, span.attributes['error.type']], [true, failure.message, 'connect']);
  }

  const broken = bench(async () => ({ body: cutOff(failure) }));
  const stream = await streamOf(broken);
  await assert.rejects(text(stream.body), failure);
  for (const { failure: why, attributes } of broken.spans) {
    assert.deepEqual([why, attributes['imgapi_mirror.body_bytes']], [failure.message, 3]);
  }
});

test('a file that is let go before it is read leaves no span open, and is no failure', async () => {
  const it = bench(async () => ({ body: bytes('abc') }));
  const stream = await streamOf(it);
  stream.cancel();
  assert.deepEqual(it.spans.map(aborted), [
    ['attempt up0', 1, undefined, true],
    ['GET file', 1, undefined, true],
  ]);
});

test('an attempt that is given up while its reader holds it back, or of which no more is wanted, did not end well', async () => {
  for (const isGivenUp of [true, false]) {
    const it = bench(async () => ({ body: bytes('abc', 'def') }));
    const abort = new AbortController();
    const stream = await streamOf(it, abort.signal);
    const read = async (): Promise<void> => {
      for await (const chunk of stream.body) {
        if (isGivenUp) abort.abort();
        throw new Error(`no more than ${chunk.length} bytes`);
      }
    };
    await assert.rejects(read(), /no more than 3/);
    stream.cancel();
    assert.deepEqual(it.spans.map(aborted), [
      ['attempt up0', 1, undefined, true],
      ['GET file', 1, undefined, true],
    ]);
    assert.equal(it.spans[0]?.attributes['imgapi_mirror.body_bytes'], 3);
  }
});

test('a request that is given up while its body comes is over at once; one whose time is up has failed', async () => {
  const it = bench(async () => ({ body: bytes('abc', 'def') }));
  const abort = new AbortController();
  const stream = await streamOf(it, abort.signal);
  abort.abort();
  assert.deepEqual(aborted(it.spans[1] ?? assert.fail()), ['GET file', 1, undefined, true]);
  stream.cancel();

  const late = bench(async () => ({ body: bytes('abc', 'def') }));
  const timeout = new AbortController();
  const lateStream = await streamOf(late, timeout.signal);
  timeout.abort(new DOMException('too late', 'TimeoutError'));
  const call = late.spans[1] ?? assert.fail();
  assert.deepEqual(aborted(call), ['GET file', 1, 'did not answer in time', undefined]);
  assert.equal(call.attributes['error.type'], 'timeout');
  lateStream.cancel();
});

test('a request that is given up before its answer is no failure', async () => {
  const it = bench(async () => {
    throw unavailable('up0', 'aborted', 'the request was given up');
  });
  await assert.rejects(it.upstream.file(fileRequest()));
  assert.deepEqual(it.spans.map(aborted), [
    ['attempt up0', 1, undefined, true],
    ['GET file', 1, undefined, true],
  ]);
});

test('that an upstream has no channels, image or icon is an answer; that it has not the file of a manifest is a failure', async () => {
  const { upstream, spans } = bench(async () => ({ status: 404 }));
  await upstream.channels(fileRequest());
  await upstream.manifest(fileRequest());
  await upstream.icon(fileRequest());
  await upstream.file(fileRequest());
  assert.deepEqual(
    spans.map(({ name, failure, attributes }) => [name, failure, attributes['http.response.status_code']]),
    [
      ['GET channels', undefined, 404],
      ['GET manifest', undefined, 404],
      ['GET icon', undefined, 404],
      ['attempt up0', 'the upstream does not have it', undefined],
      ['GET file', 'answered 404', 404],
    ],
  );
  const forbidden = bench(async () => ({ status: 403 }));
  await assert.rejects(forbidden.upstream.channels(fileRequest()));
  assert.equal(forbidden.spans[0]?.failure, 'answered 403');
  const missing = bench(async () => ({ status: 404 }));
  await assert.rejects(missing.upstream.list({ ...fileRequest(), validators: {} }));
  assert.equal(missing.spans[0]?.failure, 'answered 404');
});
