import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guardUpstream, watchHttpClient } from '../../../src/upstream/guarded-upstream.ts';
import { createUpstreamHealth, type HealthKind } from '../../../src/upstream/health.ts';
import type { HttpClient, HttpResponse, RequestKind } from '../../../src/upstream/http-client.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import { bytesOf, request, startLoopback, status, upstreamFor, uuidOf } from './loopback.ts';

const never = new AbortController().signal;

interface Watched {
  readonly reports: string[];
  get(kind: RequestKind): Promise<HttpResponse>;
}

/** A client whose every answer is this one, watched. */
function watched(answer: () => HttpResponse): Watched {
  const reports: string[] = [];
  const health = {
    ...createUpstreamHealth({ monotonicNow: () => 0, onTransition: () => undefined }, { name: 'up0' }),
    report: (kind: HealthKind, outcome: string) => void reports.push(`${kind} ${outcome}`),
  };
  const http: HttpClient = { get: async () => answer(), close: async () => undefined };
  const client = watchHttpClient(http, health);
  return { reports, get: async (kind) => client.get({ kind, path: '/', headers: {}, signal: never }) };
}

function answering(code: number, body: () => AsyncIterable<Buffer>): () => HttpResponse {
  return () => ({ status: code, header: () => undefined, body: body(), discard: async () => undefined });
}

async function* pieces(count: number, bytes: number, error?: Error): AsyncGenerator<Buffer> {
  for (let n = 0; n < count; n++) yield Buffer.alloc(bytes);
  if (error !== undefined) throw error;
}

test('an answer is one once its body has come; whatever its status below 500', async () => {
  for (const code of [200, 401, 403, 404, 410, 429]) {
    const it = watched(answering(code, () => pieces(2, 10)));
    const response = await it.get('manifest');
    assert.deepEqual(it.reports, []);
    await bytesOf(response.body);
    assert.deepEqual(it.reports, ['list ok'], `${code}`);
  }
});

test('an answer nobody reads is one too', async () => {
  const it = watched(answering(404, () => pieces(0, 0)));
  await (await it.get('file')).discard();
  assert.deepEqual(it.reports, ['file ok']);
});

test('a 5xx is a failure', async () => {
  for (const code of [500, 502, 503, 504, 508]) {
    const it = watched(answering(code, () => pieces(1, 10)));
    await (await it.get('icon')).discard();
    assert.deepEqual(it.reports, ['list failed'], `${code}`);
  }
});

test('no connection and no answer in time are failures; a refusal of ours or a request given up is none', async () => {
  for (const [reason, expected] of [
    ['connect', ['file failed']],
    ['timeout', ['file failed']],
    ['body', []],
    ['status', []],
    ['aborted', []],
  ] as const) {
    const it = watched(() => {
      throw unavailable('up0', reason, 'no');
    });
    await assert.rejects(it.get('file'));
    assert.deepEqual(it.reports, expected, reason);
  }
});

test('a body that breaks off early is a failure, one that has brought a megabyte is not', async () => {
  const cut = unavailable('up0', 'connect', 'cut');
  const early = watched(answering(200, () => pieces(3, 100_000, cut)));
  await assert.rejects(bytesOf((await early.get('file')).body), { message: /cut/ });
  assert.deepEqual(early.reports, ['file failed']);
  const late = watched(answering(200, () => pieces(3, 1_000_000, cut)));
  await assert.rejects(bytesOf((await late.get('file')).body), { message: /cut/ });
  assert.deepEqual(late.reports, ['file ok']);
});

test('a body its reader leaves says nothing', async () => {
  const it = watched(answering(200, () => pieces(3, 10)));
  for await (const chunk of (await it.get('file')).body) if (chunk.length > 0) break;
  assert.deepEqual(it.reports, []);
});

test('look-ups, icons and files of a tripped upstream share one request; its lists go their own way', async (t) => {
  const server = await startLoopback(t, status(500));
  const health = createUpstreamHealth({ monotonicNow: () => 0, onTransition: () => undefined }, { name: 'up0' });
  const upstream = guardUpstream(upstreamFor(t, server.url), health);
  for (const kind of ['list', 'list', 'list', 'file', 'file', 'file'] as const) health.report(kind, 'failed');
  const image = { ...request, uuid: uuidOf(1), channel: undefined };
  const all = async (ask: () => Promise<unknown>): Promise<number> => {
    const before = server.requests.length;
    await Promise.allSettled([ask(), ask(), ask()]);
    return server.requests.length - before;
  };
  assert.equal(await all(async () => upstream.manifest(image)), 1);
  assert.equal(await all(async () => upstream.icon(image)), 1);
  assert.equal(await all(async () => upstream.file({ ...image, index: 0, offset: 0 })), 1);
  assert.equal(await all(async () => upstream.list({ ...request, channel: undefined, validators: {} })), 3);
});

test('a ping says nothing of lists and files', async () => {
  for (const code of [200, 503]) {
    const it = watched(answering(code, () => pieces(1, 10)));
    await bytesOf((await it.get('ping')).body);
    assert.deepEqual(it.reports, [], `${code}`);
  }
});
