/** The API under /_mirror/api/: who may, what is validated, how answers come. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { isWrite, VERBS } from '../../src/operations/verbs.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { ADMIN_SECRET, ADMIN_TOKEN, startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, fieldsOf, type Answer, type AskOptions } from './ask.ts';

const image = makeImage({ name: 'apple', size: 100_000 });
const API = '/_mirror/api';
const WRITES = (['prefetch', 'pin', 'unpin', 'evict', 'accept', 'refresh', 'scrub'] as const).filter(isWrite);

async function start(t: TestContext): Promise<TestMirror> {
  const upstream = await startImageServer({ images: [image] });
  t.after(async () => upstream.close());
  return startMirror(t, { upstreams: [upstream.url] });
}

interface WriteOptions extends Omit<AskOptions, 'headers'> {
  readonly headers?: Readonly<Record<string, string>>;
}

function write(mirror: TestMirror, path: string, body: unknown, options: WriteOptions = {}): Promise<Answer> {
  return createAsk(mirror)(`${API}/${path}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...options,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...options.headers,
    },
  });
}

test('every write wants a token: none is 401, a wrong one is 401, before anything is validated', async (t) => {
  const mirror = await start(t);
  const ask = createAsk(mirror);
  for (const verb of WRITES.slice(0, 4)) {
    const { method, path } = VERBS[verb];
    const without = await ask(`${API}/${path}`, { method, body: '{' });
    assert.equal(without.status, 401, verb);
    assert.equal(without.headers['www-authenticate'], 'Bearer');
    assert.equal(fieldsOf(without.json)['code'], 'UnauthorizedError');
    const wrong = await ask(`${API}/${path}`, { method, body: '{', headers: { authorization: 'Bearer no' } });
    assert.equal(wrong.status, 401, verb);
  }
});

test('a browser on another site may not write, whatever it knows; one on the page of this mirror may', async (t) => {
  const mirror = await start(t);
  const foreign = await write(mirror, 'refresh', {}, { headers: { origin: 'http://evil.example.com' } });
  assert.equal(foreign.status, 403);
  const isNull = await write(mirror, 'refresh', {}, { headers: { origin: 'null' } });
  assert.equal(isNull.status, 403);
  const own = await write(mirror, 'refresh', {}, { headers: { origin: mirror.url } });
  assert.equal(own.status, 200);
});

test('wrong tokens are counted per address: after ten of them comes 429', async (t) => {
  const mirror = await start(t);
  const statuses = [];
  for (let tries = 0; tries < 12; tries++)
    statuses.push((await write(mirror, 'refresh', {}, { headers: { authorization: `Bearer guess-${tries}` } })).status);
  assert.deepEqual(new Set(statuses.slice(0, 10)), new Set([401]));
  assert.equal(statuses.at(-1), 429);
  const right = await write(mirror, 'refresh', {});
  assert.equal(right.status, 429, 'the token could be guessed: it waits');
  const seconds = Number(right.headers['retry-after']);
  assert.ok(seconds >= 1 && seconds <= 5, `${seconds}`);
  assert.match(String(fieldsOf(right.json)['message']), new RegExp(`: try again in ${seconds} s$`));
  const secret = await write(mirror, 'refresh', {}, { headers: { authorization: `Bearer ${ADMIN_SECRET}` } });
  assert.equal(secret.status, 200, 'the secret of the run could not: the local operator is not shut out');
});

test('a body that is wrong is refused with the field named', async (t) => {
  const mirror = await start(t);
  const cases: readonly [unknown, number, string][] = [
    [{ selectors: 'x' }, 422, 'selectors'],
    [{ selectors: [] }, 422, 'selectors'],
    [{}, 422, 'selectors'],
    [{ selectors: ['name=apple'], dryRun: 'yes' }, 422, 'dryRun'],
    [{ selectors: ['name=apple'], dryrun: true }, 422, 'dryrun'],
    [{ selectors: ['nmae=apple'] }, 422, 'selectors'],
    [[], 422, 'body'],
  ];
  for (const [body, status, field] of cases) {
    const answer = await write(mirror, 'evict', body);
    assert.equal(answer.status, status, JSON.stringify(body));
    const { errors } = fieldsOf(answer.json);
    assert.ok(Array.isArray(errors) && errors.some((error) => fieldsOf(error)['field'] === field), answer.text);
  }
  assert.equal((await write(mirror, 'evict', '{')).status, 400);
  const form = await write(mirror, 'evict', 'a=b', {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  assert.equal(form.status, 415);
  const long = await write(mirror, 'evict', { selectors: ['x'.repeat(300_000)] });
  assert.equal(long.status, 413);
});

test('a path knows its methods', async (t) => {
  const mirror = await start(t);
  const ask = createAsk(mirror);
  const read = await ask(`${API}/pins`);
  assert.equal(read.status, 405);
  assert.equal(read.headers['allow'], 'POST, DELETE');
  assert.equal((await ask(`${API}/nothing`)).status, 404);
  for (const url of [API, `${API}/`]) {
    const described = await ask(url);
    assert.deepEqual([described.status, described.headers.location], [302, `${API}/openapi.json`]);
    assert.equal((await ask(url, { method: 'POST' })).headers['allow'], 'GET, HEAD');
  }
  assert.equal((await write(mirror, 'status', {})).status, 405);
});

test('reads need no token: status, images by selector, one image, downloads, the description', async (t) => {
  const mirror = await start(t);
  const ask = createAsk(mirror);
  await ask(`/images/${image.uuid}/file`);
  const status = fieldsOf((await ask(`${API}/status`)).json);
  assert.equal(fieldsOf(status['catalog'])['images'], 1);
  assert.equal(fieldsOf(status['traffic'])['lanBytes'], 100_000);
  const list = fieldsOf((await ask(`${API}/images?selector=name%3Dapple&selector=name%3Dpear`)).json);
  assert.equal(list['total'], 1);
  assert.ok(Array.isArray(list['images']));
  assert.equal(fieldsOf(list['images'][0])['cached'], true);
  const one = fieldsOf((await ask(`${API}/images/${image.uuid}`)).json);
  assert.equal(fieldsOf(one['manifest'])['name'], 'apple');
  const absent = await ask(`${API}/images/00000000-0000-4000-8000-000000000000`);
  assert.equal(absent.status, 404);
  assert.equal((await ask(`${API}/images/no-uuid`)).status, 422);
  assert.deepEqual((await ask(`${API}/downloads`)).json, { downloads: [] });
  assert.equal((await ask(`${API}/images?selector=nmae%3Dx`)).status, 422);
  const paths = fieldsOf(fieldsOf((await ask(`${API}/openapi.json`)).json)['paths']);
  for (const { path, method } of Object.values(VERBS)) {
    const described = fieldsOf(paths[`${API}/${path.replace(/:(\w+)/, '{$1}')}`]);
    assert.ok(described[method.toLowerCase()], `${method} ${path}`);
  }
});

test('an operation can be followed line by line, and its error is the last line', async (t) => {
  const mirror = await start(t);
  const headers = { accept: 'application/x-ndjson' };
  await createAsk(mirror)(`/images/${image.uuid}/file`);
  const done = await write(mirror, 'scrub', {}, { headers });
  assert.equal(done.headers['content-type'], 'application/x-ndjson');
  const lines = done.text
    .trimEnd()
    .split('\n')
    .map((line) => fieldsOf(JSON.parse(line)));
  assert.ok(lines.length > 1);
  assert.equal(fieldsOf(lines.at(-1)?.['result'])['checked'], 1);
  assert.equal(await mirror.metric('imgapi_mirror_http_response_bytes_total{route="api"}'), done.body.length);
  const failed = await write(mirror, 'pins', { selectors: ['name=nothing'] }, { headers });
  const last = fieldsOf(JSON.parse(failed.text.trimEnd().split('\n').at(-1) ?? ''));
  assert.equal(fieldsOf(last['error'])['code'], 'NothingSelected');
});

test('every write leaves a line in the log: who, what, how it ended', async (t) => {
  const mirror = await start(t);
  await write(mirror, 'pins', { selectors: ['name=apple'] });
  await write(mirror, 'pins', { selectors: ['name=apple'] }, { headers: { authorization: 'Bearer wrong' } });
  const lines = mirror.log.lines.filter(({ fields }) => fields['audit'] === 'pin');
  assert.deepEqual(
    lines.map(({ fields }) => fields['outcome']),
    ['begun', 'done', 'refused'],
  );
  assert.ok(lines.every(({ fields }) => fields['client'] === '127.0.0.1'));
  assert.ok(!JSON.stringify(mirror.log.lines).includes(ADMIN_TOKEN));
});

test('respond-async answers 202 at once', async (t) => {
  const mirror = await start(t);
  const answer = await write(mirror, 'refresh', {}, { headers: { prefer: 'respond-async' } });
  assert.equal(answer.status, 202);
  assert.equal(answer.headers['preference-applied'], 'respond-async');
});

test('what runs when the mirror stops ends at once, and says so: to who waits for the result, and to who reads the lines', async (t) => {
  const upstream = await startImageServer({ images: [image], behaviour: { rateBytesPerSecond: 10_000 } });
  t.after(async () => upstream.close());
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const input = { selectors: ['name=apple'] };
  const [result, lines] = [
    write(mirror, 'prefetch', input),
    write(mirror, 'prefetch', input, { headers: { accept: 'application/x-ndjson' } }),
  ];
  await until(() => upstream.fileAnswers.running > 0);
  await mirror.app.drain();
  assert.deepEqual([(await result).status, fieldsOf((await result).json)['code']], [503, 'ShuttingDown']);
  const last = fieldsOf(JSON.parse((await lines).text.trim().split('\n').at(-1) ?? ''));
  assert.equal(fieldsOf(last['error'])['code'], 'ShuttingDown');
  assert.deepEqual(mirror.log.linesOf(/unexpectedly/), []);
});
