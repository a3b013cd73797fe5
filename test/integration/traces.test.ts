import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../src/config/schema.ts';
import { createOtlpTracing, type OtlpOptions } from '../../src/tracing/otlp.ts';
import type { Tracing } from '../../src/tracing/tracing.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { startCollector, type Collector, type ReceivedSpan } from '../support/collector.ts';
import { startImageServer, type Behaviour } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const SERVER = 2;
const CLIENT = 3;
const INTERNAL = 1;

function tracingTo(
  { endpoint }: Pick<Collector, 'endpoint'>,
  over: Partial<OtlpOptions> = {},
  log = createCaptureLog(),
): Tracing {
  const options = { endpoint, samplePercent: 100, serviceName: 'imgapi-mirror', serviceVersion: '9.9.9' };
  return createOtlpTracing({ log }, { ...options, hostname: 'mirror.test', exportEveryMs: 20, ...over });
}

/** A span that begins and ends. */
function work(tracing: Tracing): void {
  tracing.begin('work', { kind: 'internal', attributes: {}, parent: undefined }).end();
}

function only(spans: readonly ReceivedSpan[], wanted: (span: ReceivedSpan) => boolean, what: string): ReceivedSpan {
  const found = spans.filter(wanted);
  assert.equal(
    found.length,
    1,
    `${what}: ${JSON.stringify(
      spans.map(({ name, attributes }) => ({ name, attributes })),
      null,
      1,
    )}`,
  );
  return found[0] ?? assert.fail();
}

test('a cold file is a request, a download below it, an attempt below that, and an upstream call below that', async (t) => {
  await using collector = await startCollector();
  const image = makeImage({ size: 300_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], tracing: tracingTo(collector) });
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-00`, tracestate: 'a=b', baggage: 'c=d' };
  const response = await fetch(`${mirror.url}/images/${image.uuid}/file`, { headers });
  assert.equal((await response.arrayBuffer()).byteLength, 300_000);
  const requestId = response.headers.get('x-request-id');
  await mirror.close();

  const ofRequest = collector.spans.filter(({ traceId: own }) => own === traceId);
  const request = only(ofRequest, ({ kind }) => kind === SERVER, 'the request');
  const download = only(ofRequest, ({ kind, name }) => kind === INTERNAL && name === 'download', 'the download');
  const attempt = only(ofRequest, ({ kind, name }) => kind === INTERNAL && name !== 'download', 'the attempt');
  const call = only(ofRequest, ({ kind }) => kind === CLIENT, 'the upstream call');
  assert.deepEqual(
    [request, download, attempt, call].map(({ name, parentSpanId, failure }) => ({ name, parentSpanId, failure })),
    [
      // The client's span, whatever it says of being sampled.
      { name: 'GET file', parentSpanId: '00f067aa0ba902b7', failure: undefined },
      { name: 'download', parentSpanId: request.spanId, failure: undefined },
      { name: 'attempt up0', parentSpanId: download.spanId, failure: undefined },
      { name: 'GET file', parentSpanId: attempt.spanId, failure: undefined },
    ],
  );
  assert.deepEqual(request.attributes, {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'url.path': `/images/${image.uuid}/file`,
    'imgapi_mirror.body_bytes': 300_000,
    'imgapi_mirror.route': 'file',
    'imgapi_mirror.request_id': requestId,
    'imgapi_mirror.cache': 'MISS',
  });
  assert.deepEqual(download.attributes, {
    'imgapi_mirror.request_id': requestId,
    'imgapi_mirror.sha1': image.files[0]?.sha1,
    'imgapi_mirror.size': 300_000,
    'imgapi_mirror.result': 'stored',
  });
  assert.equal(call.attributes['imgapi_mirror.body_bytes'], 300_000);
  assert.ok(call.seconds <= attempt.seconds);
  assert.deepEqual(request.resource, {
    'service.name': 'imgapi-mirror',
    'service.version': '9.9.9',
    'host.name': 'mirror.test',
  });
  // Of the client nothing reaches an upstream, nor does anything of our traces.
  for (const { headers: sent } of upstream.requests) {
    assert.deepEqual(
      Object.keys(sent).filter((name) => /trace|baggage|b3/.test(name)),
      [],
    );
  }
});

test('every attempt of a download belongs to the request that began it, whatever else has its request id', async (t) => {
  await using collector = await startCollector();
  const image = makeImage({ size: 300_000 });
  await using upstream = await startImageServer({ images: [image] });
  let isCut = false;
  const cutWhenTold = {
    get stallAfterBytes() {
      return isCut ? undefined : 100_000;
    },
    get cutAfterBytes() {
      return isCut ? 100_000 : undefined;
    },
  };
  upstream.behave = ({ route, attempt }) => (route === 'file' && attempt === 1 ? cutWhenTold : undefined);
  const mirror = await startMirror(t, { upstreams: [upstream.url], tracing: tracingTo(collector) });
  const headers = { 'x-request-id': '11111111-2222-4333-8444-555555555555' };
  const url = `${mirror.url}/images/${image.uuid}/file`;
  const first = await fetch(url, { headers });
  assert.equal(first.headers.get('x-cache'), 'MISS');
  // While the first attempt runs: one that begins and ends, and one that joins.
  await (await fetch(`${mirror.url}/ping`, { headers })).arrayBuffer();
  const joined = await fetch(url, { headers });
  assert.equal(joined.headers.get('x-cache'), 'JOIN');
  isCut = true;
  for (const { byteLength } of await Promise.all([first.arrayBuffer(), joined.arrayBuffer()])) {
    assert.equal(byteLength, 300_000);
  }
  await mirror.close();

  const request = only(
    collector.spans,
    ({ kind, attributes }) => kind === SERVER && attributes['imgapi_mirror.cache'] === 'MISS',
    'the request',
  );
  const download = only(collector.spans, ({ name }) => name === 'download', 'the download');
  assert.equal(download.parentSpanId, request.spanId);
  const attempts = collector.spans.filter(({ name }) => name === 'attempt up0');
  assert.deepEqual(
    attempts.map(({ parentSpanId, attributes, failure }) => ({
      parentSpanId,
      offset: attributes['imgapi_mirror.offset'],
      isFailed: failure !== undefined,
    })),
    [
      { parentSpanId: download.spanId, offset: 0, isFailed: true },
      { parentSpanId: download.spanId, offset: attempts[0]?.attributes['imgapi_mirror.body_bytes'], isFailed: false },
    ],
  );
  // Each is a trace of its own, but what was done for the first.
  const traces = Map.groupBy(
    collector.spans.filter(({ attributes }) => attributes['imgapi_mirror.request_id'] === headers['x-request-id']),
    ({ traceId }) => traceId,
  );
  assert.deepEqual(
    [...traces.values()].map(({ length }) => length).toSorted((a, b) => a - b),
    [1, 1, 6],
  );
});

/** Gets a file of such an upstream, the client having what comes; and what its trace tells. */
async function traceOf(
  t: TestContext,
  behaviour: Behaviour,
  { cache = {}, take }: { cache?: Partial<Config['cache']>; take: (response: Response) => Promise<unknown> },
) {
  const collector = await startCollector();
  t.after(async () => collector[Symbol.asyncDispose]());
  const image = makeImage({ size: 4_000_000 });
  const upstream = await startImageServer({ images: [image] });
  upstream.behave = ({ route }) => (route === 'file' ? behaviour : undefined);
  t.after(async () => upstream.close());
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache, tracing: tracingTo(collector) });
  await take(await fetch(`${mirror.url}/images/${image.uuid}/file`));
  // Its response is over when its line is there.
  await until(() => mirror.log.linesOf(/response (finished|aborted)/).length > 0, { what: 'the end of the response' });
  await mirror.close();
  const { traceId } = only(collector.spans, ({ kind, name }) => kind === SERVER && name === 'GET file', 'the request');
  const spans = collector.spans.filter((span) => span.traceId === traceId);
  return (kind: number, name: string) => {
    const { attributes, failure } = only(spans, (span) => span.kind === kind && span.name === name, name);
    const { 'error.type': type, 'imgapi_mirror.aborted': isAborted } = attributes;
    return { failure, type, isAborted };
  };
}

/** What clients do with their responses. */
const isCutShort = async (response: Response): Promise<void> => assert.rejects(response.arrayBuffer());
const isRefused = async ({ status }: Response): Promise<void> => assert.equal(status, 503);
const leave = async (response: Response): Promise<unknown> => response.body?.cancel();

const FINE = { failure: undefined, type: undefined, isAborted: undefined };
const GIVEN_UP = { failure: undefined, type: undefined, isAborted: true };
const BROKEN = { failure: 'the mirror broke the response off', type: 'broken', isAborted: undefined };

for (const [where, cache, transfer] of [
  ['on disk', {}, 'download'],
  ['without room on disk', { maxBytes: 1024 * 1024 }, 'pass-through'],
] as const) {
  test(`wrong bytes are errors of the ${transfer} and of the request it broke off, ${where}`, async (t) => {
    const spanOf = await traceOf(t, { corruptAtByte: 1000 }, { cache, take: isCutShort });
    assert.deepEqual(spanOf(SERVER, 'GET file'), BROKEN);
    assert.deepEqual(spanOf(INTERNAL, transfer), {
      failure: 'the bytes do not have the SHA-1 that the manifest says',
      type: 'sha1',
      isAborted: undefined,
    });
    assert.deepEqual(spanOf(INTERNAL, 'attempt up0'), FINE);
    assert.deepEqual(spanOf(CLIENT, 'GET file'), FINE);
  });

  test(`a wrong Content-MD5 is one too, ${where}`, async (t) => {
    const spanOf = await traceOf(t, { contentMd5: 'wrong' }, { cache, take: isCutShort });
    assert.deepEqual(spanOf(SERVER, 'GET file'), BROKEN);
    assert.equal(spanOf(INTERNAL, transfer).type, 'md5');
  });

  test(`another size is an error of the attempt as well, ${where}`, async (t) => {
    const spanOf = await traceOf(t, { contentLength: 1_000_000 }, { cache, take: isRefused });
    assert.equal(spanOf(SERVER, 'GET file').type, '503');
    assert.equal(spanOf(INTERNAL, transfer).type, 'size');
    assert.equal(spanOf(INTERNAL, 'attempt up0').type, 'size');
  });

  test(`a ${transfer} that gets no answer of use says why, ${where}`, async (t) => {
    const spanOf = await traceOf(t, { status: 403 }, { cache, take: isRefused });
    const { failure, type } = spanOf(INTERNAL, transfer);
    assert.match(failure ?? '', /^upstream up0: .* answered 403$/);
    assert.equal(type, 'failed');
  });

  test(`a client that leaves is no error of anything, ${where}`, async (t) => {
    const spanOf = await traceOf(
      t,
      { stallAfterBytes: 1_000_000 },
      { cache: { ...cache, finishAbandoned: false }, take: leave },
    );
    assert.deepEqual(spanOf(SERVER, 'GET file'), GIVEN_UP);
    assert.deepEqual(spanOf(INTERNAL, transfer), GIVEN_UP);
    assert.deepEqual(spanOf(INTERNAL, 'attempt up0'), GIVEN_UP);
    assert.deepEqual(spanOf(CLIENT, 'GET file'), GIVEN_UP);
  });
}

test('refusals, and work that no client asked for, are traced as well', async (t) => {
  await using collector = await startCollector();
  await using upstream = await startImageServer({ images: [makeImage()] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], tracing: tracingTo(collector) });
  const headers = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' };
  await (await fetch(`${mirror.url}/nothing-is-here`, { headers })).arrayBuffer();
  await mirror.close();
  const refusal = only(collector.spans, ({ kind }) => kind === SERVER, 'the refusal');
  assert.deepEqual([refusal.traceId, refusal.parentSpanId], ['4bf92f3577b34da6a3ce929d0e0e4736', '00f067aa0ba902b7']);
  assert.deepEqual([refusal.name, refusal.attributes['http.response.status_code']], ['GET none', 404]);
  const list = only(collector.spans, ({ name }) => name === 'GET list', 'the refresh');
  assert.equal(list.parentSpanId, undefined);
  // It has none, and says so.
  const channels = only(collector.spans, ({ name }) => name === 'GET channels', 'the question for channels');
  assert.deepEqual([channels.attributes['http.response.status_code'], channels.failure], [404, undefined]);
});

test('a collector that refuses, says nothing or is gone costs no client anything; it is said once, and spans are dropped', async (t) => {
  const collector = await startCollector();
  const image = makeImage({ size: 10_000 });
  await using upstream = await startImageServer({ images: [image] });
  const log = createCaptureLog();
  const tracing = tracingTo(collector, { exportTimeoutMs: 50, closeTimeoutMs: 100, maxQueued: 8 }, log);
  const mirror = await startMirror(t, { upstreams: [upstream.url], tracing });
  const ask = async (): Promise<void> => {
    const response = await fetch(`${mirror.url}/images/${image.uuid}/file`);
    assert.equal(response.status, 200);
    assert.equal((await response.arrayBuffer()).byteLength, 10_000);
  };
  for (const behaviour of [400, 'silent'] as const) {
    collector.behaviour = behaviour;
    const before = collector.exports;
    for (let asked = 0; asked < 20; asked++) await ask();
    await until(() => collector.exports > before, { what: `an export while the collector answers ${behaviour}` });
  }
  await until(() => log.linesOf(/cannot be sent/).length > 0, { what: 'it is said' });
  assert.equal(log.linesOf(/cannot be sent/).length, 1);
  await collector[Symbol.asyncDispose]();
  for (let asked = 0; asked < 20; asked++) await ask();
  await mirror.close();
});

for (const behaviour of ['silent', 503, 'gone'] as const) {
  test(`the end does not wait for a collector that is ${behaviour}: it says how much is lost, and is over`, async () => {
    const collector = await startCollector();
    const { endpoint } = collector;
    if (behaviour === 'gone') await collector[Symbol.asyncDispose]();
    else collector.behaviour = behaviour;
    const log = createCaptureLog();
    const tracing = tracingTo(collector, { closeTimeoutMs: 50, exportEveryMs: 60_000, maxQueued: 2 }, log);
    for (let count = 0; count < 2; count++) work(tracing);
    await tracing.close();
    const said = [{ level: 'warn', fields: { endpoint, spans: 2 }, message: 'the last traces could not be sent' }];
    assert.deepEqual(log.lines, said);
    // The exporter tries once more meanwhile, and fails for being closed.
    await sleep(1_300);
    assert.deepEqual(log.lines, said);
    if (behaviour !== 'gone') await collector[Symbol.asyncDispose]();
  });
}

test('an end at which all is sent, or which a collector refuses at once, tells of no loss beside that', async () => {
  await using collector = await startCollector();
  for (const [behaviour, said] of [
    [200, []],
    [400, ['traces cannot be sent']],
  ] as const) {
    collector.behaviour = behaviour;
    const log = createCaptureLog();
    const tracing = tracingTo(collector, { exportEveryMs: 60_000, closeTimeoutMs: 60_000 }, log);
    work(tracing);
    await tracing.close();
    assert.deepEqual(
      log.lines.map(({ message }) => message),
      said,
    );
  }
});

test('all that is queued is sent at the end, and when that is over nothing is tried again', async () => {
  await using collector = await startCollector();
  const full = tracingTo(collector, { exportEveryMs: 60_000 });
  // As many as wait at most: several exports.
  for (let count = 0; count < 2048; count++) work(full);
  await full.close();
  assert.equal(collector.spans.length, 2048);

  // An answer after which the exporter tries again, about a second later.
  collector.behaviour = 503;
  const before = collector.exports;
  const refused = tracingTo(collector, { exportEveryMs: 60_000, closeTimeoutMs: 100 });
  work(refused);
  await refused.close();
  await until(() => collector.exports > before, { what: 'the export at the end' });
  await sleep(1_300);
  assert.equal(collector.exports, before + 1);
});

test('headers for the collector come from the variable that the configuration names', async () => {
  await using collector = await startCollector();
  process.env['OTEL_EXPORTER_OTLP_HEADERS'] = 'Authorization=Bearer%20sesame,x-site=one';
  try {
    const tracing = tracingTo(collector);
    work(tracing);
    await tracing.close();
  } finally {
    delete process.env['OTEL_EXPORTER_OTLP_HEADERS'];
  }
  assert.deepEqual([collector.headers.authorization, collector.headers['x-site']], ['Bearer sesame', 'one']);
});

test('nothing that is secret gets into a span: no query, no header, no credentials', async (t) => {
  await using collector = await startCollector();
  const image = makeImage();
  await using upstream = await startImageServer({ images: [image] });
  upstream.behave = ({ route }) =>
    route === 'file' ? { redirectTo: 'https://user:sesame@storage.example.com/file?signature=sesame' } : undefined;
  const mirror = await startMirror(t, {
    upstreams: [{ url: upstream.url, headers: { Authorization: 'Bearer sesame' } }],
    tracing: tracingTo(collector),
  });
  const headers = { authorization: 'Bearer sesame', cookie: 'sesame' };
  for (const path of [
    `/images/${image.uuid}/file?token=sesame`,
    '/images?sesame=sesame',
    '/none?sesame',
    '/ping?sesame',
  ]) {
    await (await fetch(`${mirror.url}${path}`, { headers })).arrayBuffer();
  }
  await mirror.close();
  const refused = collector.spans.filter(({ name }) => name === 'GET file');
  assert.equal(refused.length, 2);
  assert.match(JSON.stringify(refused), /redirected from .*storage\.example\.com/);
  assert.doesNotMatch(JSON.stringify(collector.spans), /sesame/);
});

test('no more spans wait than may, and what is sent again is said', async () => {
  await using collector = await startCollector();
  const log = createCaptureLog();
  collector.behaviour = 400;
  const tracing = tracingTo(collector, { maxQueued: 4, exportEveryMs: 30 }, log);
  work(tracing);
  await until(() => log.linesOf(/cannot be sent/).length === 1, { what: 'a failed export' });
  collector.behaviour = 200;
  for (let more = 0; more < 100; more++) work(tracing);
  await until(() => log.linesOf(/sent again/).length === 1, { what: 'an export that goes well' });
  await sleep(50);
  await tracing.close();
  // A full queue is sent at once: the batch that is on its way, and what has queued behind it meanwhile.
  assert.ok(collector.spans.length <= 8, `${collector.spans.length} spans of 100 were sent`);
});

test('of traces that are not sampled nothing is sent, of others all of it', async () => {
  await using collector = await startCollector();
  // Without a path, OTLP's own is meant.
  const tracing = tracingTo({ endpoint: new URL(collector.endpoint).origin }, { samplePercent: 50 });
  for (let count = 0; count < 200; count++) {
    const parent = tracing.begin('parent', { kind: 'server', attributes: {}, parent: undefined });
    tracing.begin('child', { kind: 'client', attributes: {}, parent }).end();
    parent.end();
  }
  await tracing.close();
  const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId);
  // 200 tosses of a coin: outside of this once in 10^12.
  assert.ok(traces.size > 50 && traces.size < 150, `${traces.size} of 200`);
  for (const spans of traces.values()) assert.deepEqual(spans.map(({ name }) => name).toSorted(), ['child', 'parent']);
});
