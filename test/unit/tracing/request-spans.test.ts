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
    cache: undefined,
    isMeant: false,
    bodyBytes: 0,
    sent() {},
    firstByteAtMs: undefined,
  };
  spans.onFinished({ ...FINISHED, ...over }, context);
  return tracing.spans[0] ?? assert.fail('no span');
}

test('a request that was refused before any handler has its span too, from when it came', () => {
  const { name, kind, parent, ends, failure, startedAtMs, attributes } = spanOf({ status: 403, cache: undefined });
  assert.deepEqual(
    { name, kind, parent, ends, failure, startedAtMs },
    { name: 'GET images', kind: 'server', parent: undefined, ends: 1, failure: undefined, startedAtMs: 998_000 },
  );
  assert.equal(attributes['http.response.status_code'], 403);
  assert.equal(attributes['url.path'], '/images');
  assert.equal('imgapi_mirror.cache' in attributes, false);
});

test('answers of 5xx and responses that are broken off have failed; a client that left early has no status', () => {
  assert.equal(spanOf({ status: 503 }).failure, 'answered 503');
  assert.equal(spanOf({ status: 503 }).attributes['error.type'], '503');
  const left = spanOf({ status: 0, isAborted: true });
  assert.equal(left.failure, 'the response did not reach its end');
  assert.equal('http.response.status_code' in left.attributes, false);
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
