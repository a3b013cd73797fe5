import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOtlpTracing, type OtlpOptions } from '../../src/tracing/otlp.ts';
import type { Tracing } from '../../src/tracing/tracing.ts';
import { createCaptureLog } from '../support/capture-log.ts';
import { startCollector, type Collector, type ReceivedSpan } from '../support/collector.ts';
import { startImageServer } from '../support/image-server.ts';
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

test('a cold file is a request, with an attempt below it, with an upstream call below that', async (t) => {
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
  const attempt = only(ofRequest, ({ kind }) => kind === INTERNAL, 'the attempt');
  const call = only(ofRequest, ({ kind }) => kind === CLIENT, 'the upstream call');
  assert.deepEqual(
    [request, attempt, call].map(({ name, parentSpanId, failure }) => ({ name, parentSpanId, failure })),
    [
      // The client's span, whatever it says of being sampled.
      { name: 'GET file', parentSpanId: '00f067aa0ba902b7', failure: undefined },
      { name: 'attempt up0', parentSpanId: request.spanId, failure: undefined },
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

test('every attempt of an interrupted download is a span below its request, with where it went on from', async (t) => {
  await using collector = await startCollector();
  const image = makeImage({ size: 300_000 });
  await using upstream = await startImageServer({ images: [image] });
  upstream.behave = ({ route, attempt }) =>
    route === 'file' && attempt === 1 ? { cutAfterBytes: 100_000 } : undefined;
  const mirror = await startMirror(t, { upstreams: [upstream.url], tracing: tracingTo(collector) });
  await (await fetch(`${mirror.url}/images/${image.uuid}/file`)).arrayBuffer();
  await mirror.close();

  const request = only(collector.spans, ({ kind, name }) => kind === SERVER && name === 'GET file', 'the request');
  const attempts = collector.spans.filter(({ name }) => name === 'attempt up0');
  assert.deepEqual(
    attempts.map(({ parentSpanId, attributes, failure }) => ({
      parentSpanId,
      offset: attributes['imgapi_mirror.offset'],
      isFailed: failure !== undefined,
    })),
    [
      { parentSpanId: request.spanId, offset: 0, isFailed: true },
      { parentSpanId: request.spanId, offset: attempts[0]?.attributes['imgapi_mirror.body_bytes'], isFailed: false },
    ],
  );
});

test('refusals, and work that no client asked for, are traced as well', async (t) => {
  await using collector = await startCollector();
  await using upstream = await startImageServer({ images: [makeImage()] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], tracing: tracingTo(collector) });
  await (await fetch(`${mirror.url}/nothing-is-here`)).arrayBuffer();
  await mirror.close();
  const refusal = only(collector.spans, ({ kind }) => kind === SERVER, 'the refusal');
  assert.deepEqual([refusal.name, refusal.attributes['http.response.status_code']], ['GET none', 404]);
  const list = only(collector.spans, ({ name }) => name === 'GET list', 'the refresh');
  assert.equal(list.parentSpanId, undefined);
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

test('the end does not wait for a collector that says nothing', async () => {
  await using collector = await startCollector();
  collector.behaviour = 'silent';
  const log = createCaptureLog();
  const tracing = tracingTo(collector, { exportTimeoutMs: 2_000, closeTimeoutMs: 20, exportEveryMs: 60_000 }, log);
  tracing.begin('work', { kind: 'internal', attributes: {}, parent: undefined }).end();
  await tracing.close();
  // The export itself has not been given up by now: that is said.
  assert.deepEqual(log.linesOf(/cannot be sent/), []);
});

test('no more spans wait than may, and what is sent again is said', async () => {
  await using collector = await startCollector();
  const log = createCaptureLog();
  collector.behaviour = 400;
  const tracing = tracingTo(collector, { maxQueued: 4, exportEveryMs: 30 }, log);
  const begin = (): void => tracing.begin('work', { kind: 'internal', attributes: {}, parent: undefined }).end();
  begin();
  await until(() => log.linesOf(/cannot be sent/).length === 1, { what: 'a failed export' });
  collector.behaviour = 200;
  for (let more = 0; more < 100; more++) begin();
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
