/** Issue 2, item 8: one line per response, one id from client to upstream, and no secret anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { startImageServer, type Behaviour } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { ADMIN_TOKEN, startMirror, type TestMirror } from '../support/mirror.ts';
import type { LogLine } from '../support/capture-log.ts';
import { until } from '../support/wait-for.ts';
import { createAsk } from './ask.ts';

const UNKNOWN = '99999999-1111-4111-8111-111111111111';
const SECRET = 'c2VjcmV0OnNlY3JldA';

const requestLines = ({ log }: TestMirror): LogLine[] => log.linesOf(/^response (finished|aborted)$/);

/** The line of one request, by the id it carried. */
async function lineOf(mirror: TestMirror, id: string): Promise<LogLine> {
  const found = await until(() => requestLines(mirror).find(({ fields }) => fields['reqId'] === id));
  return found;
}

const idOf = (n: number): string => `${String(n).padStart(8, '0')}-2222-4333-8444-555555555555`;

test('every response is one line with its id, route, status, cache result, bytes and time', async (t) => {
  const image = makeImage({ size: 100_000, icon: true });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const cases: readonly (readonly [string, string, Readonly<Record<string, unknown>>])[] = [
    ['GET', '/ping', { route: 'ping', status: 200, cache: undefined }],
    ['GET', '/images', { route: 'images', status: 200, cache: 'HIT' }],
    ['GET', `/images/${image.uuid}`, { route: 'image', status: 200, cache: 'HIT' }],
    ['GET', `/images/${image.uuid}/file`, { route: 'file', status: 200, cache: 'MISS', bodyBytes: 100_000 }],
    ['HEAD', `/images/${image.uuid}/file`, { route: 'file', status: 200, bodyBytes: 0 }],
    [
      'GET',
      `/images/${image.uuid}/icon`,
      { route: 'icon', status: 200, cache: 'MISS', bodyBytes: image.icon?.bytes.length },
    ],
    ['GET', `/images/${UNKNOWN}`, { route: 'image', status: 404, cache: undefined }],
    ['GET', '/images/junk', { route: 'image', status: 404 }],
    ['GET', '/channels', { route: 'channels', status: 404 }],
    ['GET', '/nothing', { route: 'none', status: 404 }],
    ['GET', '/%zz', { route: 'none', status: 404 }],
    ['POST', '/images', { route: 'none', status: 401 }],
    ['PATCH', '/ping', { route: 'none', status: 405 }],
    ['GET', '/metrics', { route: 'metrics', status: 200 }],
  ];
  for (const [n, [method, path, expected]] of cases.entries()) {
    const answer = await ask(path, { method, headers: { 'x-request-id': idOf(n), 'user-agent': 'imgadm/3.9.5' } });
    const { fields, level } = await lineOf(mirror, idOf(n));
    const found = Object.fromEntries(Object.keys(expected).map((key) => [key, fields[key]]));
    assert.deepEqual(found, expected, `${method} ${path}`);
    assert.partialDeepStrictEqual(fields, { method, url: path, client: '127.0.0.1', userAgent: 'imgadm/3.9.5' });
    if (method !== 'HEAD') assert.equal(fields['bodyBytes'], answer.bytes, `${method} ${path}`);
    assert.ok(Number.isInteger(fields['durationMs']) && Number(fields['durationMs']) >= 0);
    assert.equal(level, 'info');
  }
  assert.equal(requestLines(mirror).length, cases.length);
});

test('a response that the client broke off is a line too, with what was sent', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { rateBytesPerSecond: 4_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  await ask(`/images/${image.uuid}/file`, { abortAfterBytes: 200_000, headers: { 'x-request-id': idOf(1) } });
  const { message, fields } = await lineOf(mirror, idOf(1));
  assert.equal(message, 'response aborted');
  assert.partialDeepStrictEqual(fields, { route: 'file', status: 200, cache: 'MISS', aborted: true });
  assert.equal('broken' in fields, false);
  const sent = Number(fields['bodyBytes']);
  assert.ok(sent >= 200_000 && sent < 2_000_000, `${sent} bytes`);
});

test('a response that the mirror broke off is a line, with the reason in another of the same id', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { corruptAtByte: 399_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await createAsk(mirror)(`/images/${image.uuid}/file`, { headers: { 'x-request-id': idOf(2) } });
  const { fields } = await lineOf(mirror, idOf(2));
  assert.partialDeepStrictEqual(fields, { route: 'file', status: 200, aborted: true, broken: true });
  const reasons = mirror.log.lines.filter((line) => line.fields['reqId'] === idOf(2) && line.level !== 'info');
  assert.deepEqual(reasons.map(({ message }) => message).toSorted(), [
    'SHA-1 mismatch, quarantined',
    'response broken off',
  ]);
});

test('one id joins the client, the lines of the mirror and the requests upstream', async (t) => {
  const image = makeImage({ size: 5_000 });
  const disabled = makeImage({ name: 'disabled', size: 100, state: 'disabled' });
  await using upstream = await startImageServer({ images: [image, disabled] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const file = await ask(`/images/${image.uuid}/file`, { headers: { 'x-request-id': idOf(3) } });
  const manifest = await ask(`/images/${disabled.uuid}`, { headers: { 'request-id': idOf(4) } });
  assert.deepEqual([file.headers['x-request-id'], manifest.headers['x-request-id']], [idOf(3), idOf(4)]);
  const sent = (route: string): unknown =>
    upstream.requests.find((seen) => seen.route === route)?.headers['x-request-id'];
  assert.deepEqual([sent('file'), sent('manifest')], [idOf(3), idOf(4)]);
  const stored = await until(() => mirror.log.linesOf(/download stored/)[0]);
  assert.equal(stored.fields['reqId'], idOf(3));
});

test('an error that is the mirror’s own trouble is said once, without a stack, under the id of its request', async (t) => {
  await using upstream = await startImageServer({ images: [makeImage()] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await upstream.stop();
  const answer = await createAsk(mirror)(`/images/${UNKNOWN}`, { headers: { 'x-request-id': idOf(5) } });
  assert.equal(answer.status, 503);
  const [line, ...more] = mirror.log.linesOf(/^request failed/);
  assert.deepEqual(more, []);
  assert.partialDeepStrictEqual(line?.fields, { code: 'ServiceUnavailableError', reqId: idOf(5) });
});

test('nothing of the headers configured for an upstream is in any line or any answer, whatever goes wrong', async (t) => {
  const image = makeImage({ size: 100_000, icon: true });
  await using other = await startImageServer();
  await using upstream = await startImageServer({ images: [image] });
  const headers = { authorization: `Basic ${SECRET}`, 'x-api-key': SECRET };
  const mirror = await startMirror(t, {
    upstreams: [{ url: upstream.url, headers, stallTimeout: 200 }],
    catalog: { negativeTtl: 0 },
  });
  const ask = createAsk(mirror);
  const troubles: readonly Behaviour[] = [
    { status: 500 },
    { status: 403, body: { code: 'Forbidden', message: 'no' } },
    { resetHeaders: true },
    { hangHeaders: true },
    { redirectTo: `${other.url}/images` },
    { listMode: 'not-json', contentLength: 7 },
    { cutAfterBytes: 100, headers: { 'content-encoding': 'gzip' } },
  ];
  const texts: string[] = [];
  for (const behaviour of troubles) {
    upstream.behaviour = behaviour;
    await mirror.app.catalog.refresh();
    // A file is tried three times with pauses between: not for every trouble.
    const isRetried = behaviour.status === 500 || behaviour.hangHeaders === true;
    const paths = [
      '/images',
      `/images/${UNKNOWN}`,
      ...(isRetried ? [] : [`/images/${image.uuid}/file`]),
      `/images/${image.uuid}/icon`,
    ];
    for (const path of paths) {
      const answer = await ask(path);
      texts.push(answer.text, answer.rawHeaders.join('\n'));
    }
  }
  await upstream.stop();
  await mirror.app.catalog.refresh();
  texts.push((await ask(`/images/${image.uuid}/file`)).text, await (await fetch(`${mirror.url}/metrics`)).text());
  assert.equal(upstream.requests[0]?.headers['authorization'], headers.authorization, 'the upstream itself has it');
  assert.ok(mirror.log.lines.length > 20);
  const everything = [...texts, inspect(mirror.log.lines, { depth: 12, maxStringLength: null, maxArrayLength: null })];
  assert.ok(!everything.join('\n').includes(SECRET));
  assert.equal(other.requests.length, 0);
});

test('whoever leaves an operation in the middle, and a stop, are no errors: what ran is said to be given up', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 1_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const prefetch = async (accept: string): Promise<void> => {
    const leave = new AbortController();
    const running = fetch(`${mirror.url}/_mirror/api/prefetch`, {
      method: 'POST',
      body: '{"selectors":["name=*"]}',
      headers: { accept, 'content-type': 'application/json', authorization: `Bearer ${ADMIN_TOKEN}` },
      signal: leave.signal,
    }).then(async (answer) => answer.text());
    await until(() => upstream.fileAnswers.running > 0);
    leave.abort();
    await assert.rejects(running);
    await until(() => mirror.log.linesOf(/download given up/).length > 0);
    await until(() => upstream.fileAnswers.running === 0);
  };
  for (const accept of ['application/x-ndjson', 'application/json']) {
    mirror.log.clear();
    await prefetch(accept);
    await until(() => requestLines(mirror).length > 0);
    assert.deepEqual([...mirror.log.linesOf('error'), ...mirror.log.linesOf('warn')], [], accept);
    assert.equal(mirror.log.linesOf(/^admin$/).at(-1)?.fields['outcome'], 'abandoned');
  }
  mirror.log.clear();
  const held = createAsk(mirror)(`/images/${image.uuid}/file`).catch(() => undefined);
  await until(() => upstream.fileAnswers.running > 0);
  await mirror.close();
  await held;
  assert.equal(mirror.log.linesOf(/download given up/).length, 1);
  assert.deepEqual(mirror.log.linesOf('error'), []);
});

test('that an upstream fails is said when it begins and when it ends, however often it is tried between', async (t) => {
  const images = [makeImage({ size: 1_000 })];
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await upstream.stop();
  const opened = 'imgapi_mirror_upstream_breaker_transitions_total{upstream="up0",kind="list",to="open"}';
  await until(
    async () => {
      await mirror.app.catalog.refresh();
      // Its cool-down is over, and it is tried and fails again.
      return (await mirror.metric(opened)) >= 2;
    },
    { deadlineMs: 20_000, everyMs: 200 },
  );
  assert.equal(mirror.log.linesOf(/^upstream is failing$/).length, 1);
  await upstream.restart();
  await until(
    async () => {
      await mirror.app.catalog.refresh();
      return mirror.log.linesOf(/^upstream is well again$/).length === 1;
    },
    { deadlineMs: 20_000, everyMs: 200 },
  );
  assert.equal(mirror.log.linesOf(/^upstream is failing$/).length, 1);
});
