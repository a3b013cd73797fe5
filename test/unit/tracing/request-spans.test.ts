import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as conventions from '@opentelemetry/semantic-conventions';
import type { FinishedRequest } from '../../../src/http/server.ts';
import { freshImageUuid } from '../../../src/imgapi/ids.ts';
import { createLineage } from '../../../src/tracing/lineage.ts';
import { createRequestSpans } from '../../../src/tracing/request-spans.ts';
import { ATTRIBUTE } from '../../../src/tracing/tracing.ts';
import { createFakeTracing } from './fake-tracing.ts';

const FINISHED: FinishedRequest = {
  requestId: '11111111-2222-4333-8444-555555555555',
  method: 'GET',
  url: '/images?os=smartos',
  route: 'images',
  status: 200,
  cache: 'HIT',
  isMeant: false,
  bodyBytes: 10,
  seconds: 2,
  firstByteSeconds: undefined,
  isAborted: false,
  isBroken: false,
  client: '192.0.2.1',
  userAgent: undefined,
};

/** The span of a request that never reached a handler. */
function spanOf(over: Partial<FinishedRequest>) {
  const tracing = createFakeTracing();
  const spans = createRequestSpans({
    tracing,
    lineage: createLineage(),
    now: () => 1_000_000,
    monotonicNow: () => 5_000,
  });
  const context = {
    requestId: freshImageUuid(),
    startedAtMs: 3_000,
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    cache: undefined,
    isMeant: false,
    isBroken: false,
    bodyBytes: 0,
    sent() {},
    firstByteAtMs: undefined,
  };
  spans.onFinished({ ...FINISHED, ...over }, context);
  return tracing.spans[0] ?? assert.fail('no span');
}

test('a request that was refused before any handler has its span too, from when it came, below its client’s', () => {
  const { name, kind, parent, ends, failure, startedAtMs, attributes } = spanOf({ status: 403, cache: undefined });
  assert.deepEqual(
    { name, kind, parent, ends, failure, startedAtMs },
    {
      name: 'GET images',
      kind: 'server',
      parent: { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' },
      ends: 1,
      failure: undefined,
      startedAtMs: 998_000,
    },
  );
  assert.equal(attributes['http.response.status_code'], 403);
  assert.equal(attributes['url.path'], '/images');
  assert.equal('imgapi_mirror.cache' in attributes, false);
});

test('answers of 5xx have failed, and so have those that the mirror broke off', () => {
  const failed = spanOf({ status: 503 });
  assert.deepEqual([failed.failure, failed.attributes['error.type']], ['answered 503', '503']);
  const broken = spanOf({ isAborted: true, isBroken: true });
  assert.deepEqual(
    [broken.failure, broken.attributes['error.type'], broken.attributes['imgapi_mirror.aborted']],
    ['the mirror broke the response off', 'broken', undefined],
  );
});

test('a client that leaves is no failure: an attribute says it, before and after an answer had begun', () => {
  for (const status of [0, 200]) {
    const left = spanOf({ status, isAborted: true });
    const { attributes } = left;
    assert.deepEqual(
      [left.failure, attributes['error.type'], attributes['imgapi_mirror.aborted']],
      [undefined, undefined, true],
    );
    assert.equal('http.response.status_code' in attributes, status !== 0);
  }
  assert.equal('imgapi_mirror.aborted' in spanOf({}).attributes, false);
});

test('the attributes that OpenTelemetry has names for have these names', () => {
  assert.deepEqual(
    [ATTRIBUTE.method, ATTRIBUTE.status, ATTRIBUTE.path, ATTRIBUTE.errorType],
    [
      conventions.ATTR_HTTP_REQUEST_METHOD,
      conventions.ATTR_HTTP_RESPONSE_STATUS_CODE,
      conventions.ATTR_URL_PATH,
      conventions.ATTR_ERROR_TYPE,
    ],
  );
});
