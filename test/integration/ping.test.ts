import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha1Of } from '../../src/imgapi/ids.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { assertError, createAsk, fieldsOf } from './ask.ts';

test('ping is what imgadm looks for, names the mirror, and needs no upstream', async (t) => {
  const mirror = await startMirror(t, { upstreams: ['http://127.0.0.1:9'], waitForCatalog: false });
  const answer = await createAsk(mirror)('/ping');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-type'], 'application/json');
  const body = fieldsOf(answer.json);
  assert.deepEqual(body, { ping: 'pong', version: body['version'], imgapi: true });
  assert.match(String(body['version']), /^imgapi-mirror\/\d+\.\d+\.\d+/);
  assert.equal(answer.text, JSON.stringify(body, null, 2));
});

test('ping?error= answers with a sample of that error, as the real server does', async (t) => {
  const mirror = await startMirror(t, { upstreams: ['http://127.0.0.1:9'], waitForCatalog: false });
  const ask = createAsk(mirror);
  const sample = await ask('/ping?error=ValidationFailed');
  assertError(sample, { status: 422, code: 'ValidationFailed', message: 'boom', errors: [] });
  assert.deepEqual(sample.json, { code: 'ValidationFailed', message: 'boom', errors: [] });
  assertError(await ask('/ping?error='), { status: 500, code: 'InternalError', message: 'boom' });
  assertError(await ask('/ping?error=NoSuchThing'), { status: 422, code: 'InvalidParameter', message: /unknown/ });
  for (const odd of ['__proto__', 'constructor', 'toString', '%00', 'a&error=b', '%F0%9F%A6%8A']) {
    assertError(await ask(`/ping?error=${odd}`), { status: 422, code: 'InvalidParameter', message: /unknown/ });
  }
});

test('every route takes the versions there are and refuses the others by name', async (t) => {
  const image = makeImage({ icon: true, size: 2_000, channels: ['release'] });
  const channels = [{ name: 'release', default: true }];
  await using upstream = await startImageServer({ images: [image], channels });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const paths = ['/ping', '/images', `/images/${image.uuid}`, `/images/${image.uuid}/file`, '/channels'];
  paths.push(`/images/${image.uuid}/icon`);

  await t.test('absent, ~1, 1, ~2, 2, >=1, *', async () => {
    for (const path of paths) {
      assert.equal((await ask(path)).status, 200, path);
      for (const version of ['~1', '1', '1.0.0', '~2', '2', '2.0.0', '>=1', '*']) {
        const answer = await ask(path, { headers: { 'accept-version': version } });
        assert.equal(answer.status, 200, `${version} on ${path}`);
      }
    }
  });

  await t.test('junk is 400 with its text and the path without the query', async () => {
    for (const path of paths) {
      for (const version of ['~99', 'junk', '3', '<1', '~1, ~2']) {
        const answer = await ask(`${path}?limit=1`, { headers: { 'accept-version': version } });
        const message = `${version} is not supported by GET ${path}`;
        assertError(answer, { status: 400, code: 'InvalidVersion', message });
      }
      const head = await ask(path, { method: 'HEAD', headers: { 'accept-version': '~99' } });
      assert.equal(head.status, 400);
      assert.equal(head.bytes, 0);
    }
  });

  await t.test('two headers of that name are one list, which is no range', async () => {
    const answer = await ask('/ping', { headers: ['accept-version', '~1', 'accept-version', '~2'] });
    assertError(answer, { status: 400, code: 'InvalidVersion', message: '~1, ~2 is not supported by GET /ping' });
  });

  await t.test('a version that is refused starts no download', async () => {
    const cold = makeImage({ name: 'cold', size: 2_000, channels: ['release'] });
    upstream.images.add(cold);
    upstream.forget();
    const answer = await ask(`/images/${cold.uuid}/file`, { headers: { 'accept-version': 'junk' } });
    assert.equal(answer.status, 400);
    assert.deepEqual(upstream.requests, []);
  });
});

test('version 1 has no channels in manifests, version 2 has, and each has its own Etag', async (t) => {
  const image = makeImage({ channels: ['dev', 'release'], size: 2_000, extra: { later: { b: 1, a: 2 } } });
  const channels = [{ name: 'release', default: true }, { name: 'dev' }];
  await using upstream = await startImageServer({ images: [image], channels });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const { channels: _channels, ...plain } = image.manifest;
  const cases = [
    [undefined, plain],
    ['~1', plain],
    ['~2', image.manifest],
    ['*', image.manifest],
  ] as const;
  for (const [version, manifest] of cases) {
    const headers: Record<string, string> = version === undefined ? {} : { 'accept-version': version };
    const single = await ask(`/images/${image.uuid}`, { headers });
    assert.equal(single.text, JSON.stringify(manifest, null, 2), version);
    assert.equal(single.headers['etag'], sha1Of(Buffer.from(JSON.stringify(manifest))));
    const list = await ask('/images', { headers });
    assert.equal(list.text, JSON.stringify([manifest], null, 2), version);
    const filtered = await ask('/images?name=test-image', { headers });
    assert.equal(filtered.text, list.text);
  }
  // Whatever the client speaks, the upstream is asked for all there is.
  for (const { headers } of upstream.requests) assert.equal(headers['accept-version'], '~2');
});
