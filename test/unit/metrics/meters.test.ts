import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readTraffic } from '../../../src/app/traffic.ts';
import type { FinishedRequest } from '../../../src/http/server.ts';
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.ts';
import { countRequest, countSent, meterHttpClient } from '../../../src/metrics/meters.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../../../src/upstream/http-client.ts';
import { unavailable, UNAVAILABLE_REASONS } from '../../../src/upstream/unavailable.ts';
import { createUrgency } from '../../../src/upstream/urgency.ts';
import { ownSeries, seriesOf } from './exposition.ts';

const never = new AbortController().signal;
const fresh = (): Metrics => createMetrics({ version: '1', nodeVersion: '24', upstreams: ['up0'] });

async function valueOf(metrics: Metrics, series: string): Promise<number | undefined> {
  return seriesOf(await metrics.registry.metrics()).get(`imgapi_mirror_${series}`);
}

function finished(over: Partial<FinishedRequest> = {}): FinishedRequest {
  return {
    requestId: '11111111-2222-4333-8444-555555555555',
    method: 'GET',
    url: '/images/11111111-1111-4111-8111-111111111111/file',
    route: 'file',
    status: 200,
    cache: 'MISS',
    isMeant: false,
    bodyBytes: 1000,
    seconds: 2,
    firstByteSeconds: 0.5,
    isAborted: false,
    isBroken: false,
    client: '192.0.2.1',
    userAgent: 'imgadm',
    ...over,
  };
}

test('a finished request is counted by route, method, status class and cache result, with its times', async () => {
  const metrics = fresh();
  countRequest(metrics, finished());
  assert.equal(await valueOf(metrics, 'http_requests_total{route="file",method="GET",code="2xx"}'), 1);
  assert.equal(await valueOf(metrics, 'cache_results_total{kind="file",result="miss"}'), 1);
  assert.equal(await valueOf(metrics, 'http_request_duration_seconds_sum{route="file"}'), 2);
  assert.equal(await valueOf(metrics, 'file_first_byte_seconds_sum{result="miss"}'), 0.5);
  assert.equal(await valueOf(metrics, 'http_responses_aborted_total{route="file"}'), 0);
});

test('bytes are counted as they go out, and those of files by their cache result too', async () => {
  const metrics = fresh();
  countSent(metrics, { route: 'file', cache: 'MISS' }, 1000);
  countSent(metrics, { route: 'file', cache: 'MISS' }, 500);
  // An error on the way to a file is no file.
  countSent(metrics, { route: 'file', cache: undefined }, 20);
  countSent(metrics, { route: 'images', cache: 'HIT' }, 7);
  assert.equal(await valueOf(metrics, 'http_response_bytes_total{route="file"}'), 1520);
  assert.equal(await valueOf(metrics, 'file_response_bytes_total{result="miss"}'), 1500);
  assert.equal(await valueOf(metrics, 'http_response_bytes_total{route="images"}'), 7);
});

test('a HEAD is a request, and neither a hit nor a miss', async () => {
  const metrics = fresh();
  countRequest(metrics, finished({ method: 'HEAD', cache: 'HIT' }));
  countRequest(metrics, finished({ method: 'HEAD' }));
  assert.equal(await valueOf(metrics, 'http_requests_total{route="file",method="HEAD",code="2xx"}'), 2);
  assert.equal(await valueOf(metrics, 'cache_results_total{kind="file",result="hit"}'), 0);
  assert.equal(await valueOf(metrics, 'cache_results_total{kind="file",result="miss"}'), 0);
});

test('an aborted one is counted as aborted too, and without a status as none', async () => {
  const metrics = fresh();
  countRequest(metrics, finished({ isAborted: true }));
  countRequest(metrics, finished({ isAborted: true, status: 0, cache: undefined, firstByteSeconds: undefined }));
  assert.equal(await valueOf(metrics, 'http_responses_aborted_total{route="file"}'), 2);
  assert.equal(await valueOf(metrics, 'http_requests_total{route="file",method="GET",code="none"}'), 1);
});

test('an answer that the mirror broke off is neither a success nor a hit nor a saving; one whose client left is', async () => {
  const metrics = fresh();
  const [left, broken] = [finished({ isAborted: true }), finished({ isAborted: true, isBroken: true })];
  for (const request of [left, broken, broken]) {
    countSent(metrics, request, request.bodyBytes);
    countRequest(metrics, request);
  }
  const found = Object.fromEntries(
    await Promise.all(
      [
        'http_requests_total{route="file",method="GET",code="2xx"}',
        'http_requests_total{route="file",method="GET",code="broken"}',
        'http_responses_aborted_total{route="file"}',
        'cache_results_total{kind="file",result="miss"}',
        'file_response_bytes_total{result="miss"}',
        'file_broken_bytes_total{result="miss"}',
        'file_broken_bytes_total{result="join"}',
      ].map(
        async (series) =>
          [series.replace(/^(\w+)_total.*"(\w+)".*$/, '$1 $2'), await valueOf(metrics, series)] as const,
      ),
    ),
  );
  assert.deepEqual(found, {
    'http_requests 2xx': 1,
    'http_requests broken': 2,
    'http_responses_aborted file': 3,
    'cache_results miss': 1,
    'file_response_bytes miss': 3000,
    'file_broken_bytes miss': 2000,
    'file_broken_bytes join': 0,
  });
});

test('an error is neither hit nor miss, and neither is no answer at all; not modified is one', async () => {
  const metrics = fresh();
  const results = async (): Promise<number | undefined> =>
    valueOf(metrics, 'cache_results_total{kind="icon",result="miss"}');
  for (const status of [0, 400, 416, 503]) {
    countRequest(metrics, finished({ route: 'icon', status, firstByteSeconds: undefined }));
    assert.equal(await results(), 0, String(status));
  }
  for (const [at, status] of [200, 206, 304].entries()) {
    countRequest(metrics, finished({ route: 'icon', status, firstByteSeconds: undefined }));
    assert.equal(await results(), at + 1, String(status));
  }
});

test('what was saved is counted of what was sent and not broken off, against all that was pulled', async () => {
  const metrics = fresh();
  assert.equal((await readTraffic(metrics)).savedRatio, null);
  const asked = finished({ cache: 'HIT' });
  const broken = finished({ cache: 'JOIN', isAborted: true, isBroken: true });
  metrics.upstreamBytes.inc({ upstream: 'up0', kind: 'file' }, 250);
  countSent(metrics, broken, 1000);
  countRequest(metrics, broken);
  assert.deepEqual(await readTraffic(metrics), {
    files: { hit: 0, miss: 0, join: 0, pass: 0 },
    lanBytes: 1000,
    brokenBytes: 1000,
    wanBytes: 250,
    savedRatio: 0,
  });
  countSent(metrics, asked, 1000);
  countRequest(metrics, asked);
  const { files, lanBytes, savedRatio } = await readTraffic(metrics);
  assert.deepEqual(
    { files, lanBytes, savedRatio },
    { files: { hit: 1, miss: 0, join: 0, pass: 0 }, lanBytes: 2000, savedRatio: 0.75 },
  );
});

test('a 5xx that is meant is counted apart from those that are not', async () => {
  const metrics = fresh();
  countRequest(metrics, finished({ status: 503, isMeant: true, cache: undefined }));
  countRequest(metrics, finished({ status: 503, cache: undefined }));
  assert.equal(await valueOf(metrics, 'http_requests_total{route="file",method="GET",code="refused"}'), 1);
  assert.equal(await valueOf(metrics, 'http_requests_total{route="file",method="GET",code="5xx"}'), 1);
});

test('each kind of answer has its cache results', async () => {
  const metrics = fresh();
  for (const [route, cache, kind] of [
    ['images', 'STALE', 'list'],
    ['image', 'HIT', 'manifest'],
    ['icon', 'JOIN', 'icon'],
  ] as const) {
    countRequest(metrics, finished({ route, cache, firstByteSeconds: undefined }));
    assert.equal(await valueOf(metrics, `cache_results_total{kind="${kind}",result="${cache.toLowerCase()}"}`), 1);
  }
});

test('a thousand varied requests add no series: nothing a client sends becomes a label', async () => {
  const metrics = fresh();
  const before = ownSeries(await metrics.registry.metrics());
  const routes = [
    'ping',
    'images',
    'image',
    'file',
    'icon',
    'channels',
    'metrics',
    'health',
    'setup',
    'none',
    'invented',
  ];
  const caches = ['HIT', 'MISS', 'JOIN', 'STALE', undefined] as const;
  for (let n = 0; n < 1000; n++) {
    countRequest(
      metrics,
      finished({
        route: routes[n % routes.length] ?? 'none',
        method: n % 7 === 0 ? `METHOD-${n}` : n % 2 === 0 ? 'GET' : 'HEAD',
        status: [0, 200, 206, 304, 404, 416, 500, 503][n % 8] ?? 200,
        cache: caches[n % caches.length],
        url: `/images/${n}`,
        client: `192.0.2.${n % 256}`,
        userAgent: `agent/${n}`,
        isAborted: n % 11 === 0,
        isBroken: n % 22 === 0,
        // Only files have a first byte, and no file is ever served stale.
        firstByteSeconds: caches[n % caches.length] === 'STALE' ? undefined : n / 1000,
      }),
    );
  }
  assert.deepEqual(ownSeries(await metrics.registry.metrics()), before);
});

function clientThat(answer: () => Promise<HttpResponse>): HttpClient {
  return { get: async () => answer(), close: async () => undefined };
}

function responseOf(status: number, chunks: readonly string[] = []): HttpResponse {
  async function* body(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  return { status, header: () => undefined, body: body(), discard: async () => undefined };
}

const request = { kind: 'file', path: '/x', headers: {}, signal: never } as const;

test('a request to an upstream is counted by its status, its bytes as they are read, its time to the headers', async () => {
  const metrics = fresh();
  let clock = 0;
  const http = clientThat(async () => {
    clock += 250;
    return responseOf(206, ['abc', 'de']);
  });
  const metered = meterHttpClient(http, 'up0', metrics, () => clock);
  const response = await metered.get(request);
  assert.equal(response.status, 206);
  assert.equal(await valueOf(metrics, 'upstream_response_bytes_total{upstream="up0",kind="file"}'), 0);
  const read: string[] = [];
  for await (const chunk of response.body) read.push(chunk.toString());
  assert.deepEqual(read, ['abc', 'de']);
  assert.equal(await valueOf(metrics, 'upstream_response_bytes_total{upstream="up0",kind="file"}'), 5);
  assert.equal(await valueOf(metrics, 'upstream_requests_total{upstream="up0",kind="file",result="2xx"}'), 1);
  assert.equal(await valueOf(metrics, 'upstream_response_seconds_sum{upstream="up0",kind="file"}'), 0.25);
});

test('one that fails is counted by its reason, and the error passes', async () => {
  const metrics = fresh();
  for (const reason of UNAVAILABLE_REASONS) {
    const error = unavailable('up0', reason, 'no');
    const metered = meterHttpClient(
      clientThat(async () => Promise.reject(error)),
      'up0',
      metrics,
      () => 0,
    );
    await assert.rejects(metered.get(request), error);
  }
  for (const [result, times] of [
    ['connect', 1],
    ['timeout', 1],
    ['aborted', 1],
    ['body', 2],
  ] as const) {
    assert.equal(
      await valueOf(metrics, `upstream_requests_total{upstream="up0",kind="file",result="${result}"}`),
      times,
    );
  }
});

test('leaving a metered body early leaves the body itself: its connection is let go', async () => {
  let isClosed = false;
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (;;) yield Buffer.alloc(1);
    } finally {
      isClosed = true;
    }
  }
  const http = clientThat(async () => ({ ...responseOf(200), body: endless() }));
  const { body } = await meterHttpClient(http, 'up0', fresh(), () => 0).get(request);
  const reader = body[Symbol.asyncIterator]();
  await reader.next();
  await reader.return?.();
  assert.equal(isClosed, true);
});

test('bytes are counted by what they are for: a client, a prefetch until one joins, a list, a second time', async () => {
  const metrics = fresh();
  const read = async (asked: HttpRequest, status = 200): Promise<void> => {
    const http = clientThat(async () => responseOf(status, ['abcd', 'efgh']));
    const { body } = await meterHttpClient(http, 'up0', metrics, () => 0).get(asked);
    for await (const chunk of body) if (chunk.toString() === 'abcd' && asked.path === '/joined') urgency.upgrade();
  };
  const urgency = createUrgency('prefetch');
  await read({ ...request, kind: 'list' });
  await read({ ...request, kind: 'manifest' });
  await read({ ...request, transfer: { urgency, offset: 0 } });
  // Asked to go on at byte 6: once it does, once it begins anew.
  await read({ ...request, transfer: { urgency, offset: 6 } }, 206);
  await read({ ...request, transfer: { urgency, offset: 6 } }, 200);
  await read({ ...request, path: '/joined', transfer: { urgency, offset: 0 } });
  for (const [cause, bytes] of [
    ['revalidation', 8],
    ['prefetch', 8 + 8 + 2 + 4],
    ['demand', 8 + 4],
    ['resume', 6],
  ] as const) {
    assert.equal(await valueOf(metrics, `upstream_cause_bytes_total{upstream="up0",cause="${cause}"}`), bytes, cause);
  }
});
