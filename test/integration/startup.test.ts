/** Issue 2, item 1: a mirror is of use from its first moment, whatever its upstreams do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, createAsk, createGate, fieldsOf, uuidsOf } from './ask.ts';

test('without any upstream it answers pings, says why it has no list, and heals when one appears', async (t) => {
  const image = makeImage({ size: 5_000 });
  await using upstream = await startImageServer({ images: [image] });
  await upstream.stop();
  const mirror = await startMirror(t, { upstreams: [upstream.url], catalog: { refreshEvery: 100 } });
  const ask = createAsk(mirror);
  assert.equal(fieldsOf((await ask('/ping')).json)['imgapi'], true);
  assert.equal(fieldsOf((await ask('/_mirror/health')).json)['status'], 'ok');
  const reason = {
    status: 503,
    code: 'ServiceUnavailableError',
    message: /no list of images yet: .*up0.*ECONNREFUSED/,
  };
  assertError(await ask('/images'), reason);
  assertError(await ask('/images?name=x&limit=1'), reason);
  assertError(await ask(`/images/${image.uuid}`), { ...reason, message: /cannot tell whether image .*up0/ });
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}'), 0);
  await upstream.restart();
  await until(async () => (await ask('/images')).status === 200);
  assert.deepEqual(uuidsOf(await ask('/images')), [image.uuid]);
  assert.equal((await ask(`/images/${image.uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
});

test('before the first list has come /images waits for it, and uuids and files are looked up at once', async (t) => {
  const image = makeImage({ size: 5_000, icon: true });
  const gate = createGate('list');
  await using upstream = await startImageServer({ images: [image], steps: gate.steps });
  const mirror = await startMirror(t, { upstreams: [upstream.url], waitForCatalog: false });
  const ask = createAsk(mirror);
  let isListed = false;
  const listing = ask('/images').finally(() => {
    isListed = true;
  });
  const manifest = await ask(`/images/${image.uuid}`);
  assert.deepEqual([manifest.status, manifest.headers['x-cache'], manifest.json], [200, 'MISS', image.manifest]);
  const file = await ask(`/images/${image.uuid}/file`, { hash: true });
  assert.deepEqual([file.status, file.headers['x-cache'], file.sha1], [200, 'MISS', image.files[0]?.sha1]);
  assert.equal((await ask(`/images/${image.uuid}/icon`)).status, 200);
  assert.equal(isListed, false);
  await gate.openAfter(mirror, 0);
  const list = await listing;
  assert.deepEqual([list.status, list.headers['x-cache'], uuidsOf(list)], [200, 'HIT', [image.uuid]]);
});

test('a client that leaves while it waits for the first list harms nobody', async (t) => {
  const image = makeImage({ size: 5_000 });
  const gate = createGate('list');
  await using upstream = await startImageServer({ images: [image], steps: gate.steps });
  const mirror = await startMirror(t, { upstreams: [upstream.url], waitForCatalog: false });
  const ask = createAsk(mirror);
  const leaves = new AbortController();
  mirror.app.server.server.once('request', () => setTimeout(() => leaves.abort(), 50));
  await assert.rejects(ask('/images', { signal: leaves.signal }));
  await gate.openAfter(mirror, 0);
  await until(async () => (await ask('/images')).status === 200);
  await until(() => mirror.log.linesOf(/response aborted/).length === 1);
});

test('an upstream that answers with junk is a reason, not an empty list', async (t) => {
  await using upstream = await startImageServer({ behaviour: { listMode: 'not-json' } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  assertError(await createAsk(mirror)('/images'), {
    status: 503,
    code: 'ServiceUnavailableError',
    message: /up0.*no JSON/,
  });
});

test('an upstream that is there and has no image gives an empty list', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const list = await createAsk(mirror)('/images');
  assert.deepEqual([list.status, list.text], [200, '[]']);
});
