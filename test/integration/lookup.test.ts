import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer, type Behaviour, type ImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, cachesOf, createAsk, createGate, fieldsOf } from './ask.ts';

const ABSENT = '99999999-0000-4000-8000-000000000000';

/** Only single manifests misbehave: the lists are sound. */
function spoilManifests(server: ImageServer, behaviour: Behaviour): void {
  server.behave = ({ route }) => (route === 'manifest' ? behaviour : undefined);
}

test('an image is absent only if every upstream says so', async (t) => {
  await using one = await startImageServer();
  await using two = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const ask = createAsk(mirror);
  const expected = { status: 404, code: 'ResourceNotFound', message: `image ${ABSENT} not found` };

  await t.test('both are asked, once', async () => {
    assertError(await ask(`/images/${ABSENT}`), expected);
    assert.equal(one.countOf('manifest'), 1);
    assert.equal(two.countOf('manifest'), 1);
  });

  await t.test('the second look-up asks nobody, for the file and the icon too', async () => {
    for (const tail of ['', '/file', '/icon']) assertError(await ask(`/images/${ABSENT}${tail}`), expected);
    assert.equal(one.countOf('manifest') + two.countOf('manifest'), 2);
    const negatives = 'imgapi_mirror_cache_results_total{kind="manifest",result="negative"}';
    assert.ok((await mirror.metric(negatives)) >= 1);
  });

  await t.test('an image that is listed after all is there at once', async () => {
    two.images.add(makeImage({ uuid: ABSENT, size: 900 }));
    await mirror.app.catalog.refresh();
    assert.equal((await ask(`/images/${ABSENT}`)).status, 200);
  });
});

test('a confirmed absence is forgotten after catalog.negativeTtl', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url], catalog: { negativeTtl: 100 } });
  const ask = createAsk(mirror);
  assert.equal((await ask(`/images/${ABSENT}`)).status, 404);
  upstream.images.add(makeImage({ uuid: ABSENT, state: 'disabled', size: 900 }));
  await until(async () => (await ask(`/images/${ABSENT}`)).status === 200, { everyMs: 30 });
  assert.equal(upstream.countOf('manifest'), 2);
});

test('what cannot be told is 503, never 404, and is not remembered', async (t) => {
  const found = makeImage({ state: 'disabled', size: 900 });
  await using good = await startImageServer();
  await using bad = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [good.url, { url: bad.url, stallTimeout: 300 }] });
  const ask = createAsk(mirror);
  const troubles: readonly (readonly [what: RegExp, behaviour: Behaviour])[] = [
    [/500/, { status: 500 }],
    [/503/, { status: 503 }],
    [/401/, { status: 401 }],
    [/403/, { status: 403 }],
    [/429/, { status: 429 }],
    [/422/, { status: 422 }],
    [/redirect/, { redirectTo: 'http://127.0.0.1:9/' }],
    [/JSON/, { status: 200, body: '<html>sign in</html>' }],
    [/another/, { status: 200, body: found.manifest }],
    [/unsound/, { status: 200, body: { ...found.manifest, uuid: ABSENT, files: 'none' } }],
    [/up1/, { resetHeaders: true }],
    [/stallTimeout/, { hangHeaders: true }],
  ];
  for (const [what, behaviour] of troubles) {
    spoilManifests(bad, behaviour);
    const answer = await ask(`/images/${ABSENT}`);
    assertError(answer, { status: 503, code: 'ServiceUnavailableError', message: what });
    assert.match(answer.text, new RegExp(`${ABSENT}.*up1`), 'the upstream is named');
  }
  await bad.stop();
  for (const tail of ['', '/file', '/icon']) assert.equal((await ask(`/images/${ABSENT}${tail}`)).status, 503, tail);
  await bad.restart();
  bad.behave = undefined;
  assert.equal((await ask(`/images/${ABSENT}`)).status, 404);
});

test('an unknown never hides a found, whichever comes first', async (t) => {
  const image = makeImage({ state: 'disabled', size: 900 });
  await using bad = await startImageServer();
  await using good = await startImageServer({ images: [image] });
  spoilManifests(bad, { status: 500 });
  for (const upstreams of [
    [bad.url, good.url],
    [good.url, bad.url],
  ]) {
    const ask = createAsk(await startMirror(t, { upstreams }));
    const answer = await ask(`/images/${image.uuid}`);
    assert.equal(answer.text, JSON.stringify(image.manifest, null, 2));
    const file = await ask(`/images/${image.uuid}/file`, { hash: true });
    assert.equal(file.sha1, image.files[0]?.sha1);
  }
});

test('the highest in precedence that answers within 2 s wins; a slower one does not hold up the answer', async (t) => {
  const uuid = '12121212-0000-4000-8000-000000000000';
  const [first, second] = ['first', 'second'].map((name) => makeImage({ uuid, name, state: 'disabled', size: 900 }));
  await using one = await startImageServer({ images: [first!] });
  await using two = await startImageServer({ images: [second!] });
  const nameFor = async (): Promise<unknown> => {
    const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
    const answer = await createAsk(mirror)(`/images/${uuid}`);
    return fieldsOf(answer.json)['name'];
  };
  spoilManifests(one, { delayHeadersMs: 300 });
  assert.equal(await nameFor(), 'first', 'the second answered at once, the first a little later');
  spoilManifests(two, { delayHeadersMs: 300 });
  one.behave = undefined;
  assert.equal(await nameFor(), 'first');
  two.behave = undefined;
  spoilManifests(one, { hangHeaders: true });
  // Waiting for the stallTimeout would go past the request's deadline.
  const mirror = await startMirror(t, { upstreams: [{ url: one.url, stallTimeout: 60_000 }, two.url] });
  const answer = await createAsk(mirror)(`/images/${uuid}`, { deadlineMs: 30_000 });
  assert.equal(fieldsOf(answer.json)['name'], 'second');
});

test('twenty look-ups of one image are one question to each upstream', async (t) => {
  const image = makeImage({ state: 'disabled', size: 900 });
  const gate = createGate('manifest');
  await using one = await startImageServer();
  await using two = await startImageServer({ images: [image], steps: gate.steps });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const ask = createAsk(mirror);
  const opened = gate.openAfter(mirror, 20);
  const answers = await Promise.all(Array.from({ length: 20 }, async () => ask(`/images/${image.uuid}`)));
  await opened;
  for (const { text } of answers) assert.equal(text, JSON.stringify(image.manifest, null, 2));
  assert.deepEqual(cachesOf(answers), { MISS: 1, JOIN: 19 });
  assert.equal(one.countOf('manifest'), 1);
  assert.equal(two.countOf('manifest'), 1);
  const lost = await Promise.all(Array.from({ length: 5 }, async () => ask(`/images/${ABSENT}`)));
  assert.deepEqual(
    lost.map(({ status }) => status),
    [404, 404, 404, 404, 404],
  );
  assert.equal(one.countOf('manifest'), 2);
});

test('a client that leaves does not end the look-up others wait for', async (t) => {
  const image = makeImage({ state: 'disabled', size: 900 });
  const gate = createGate('manifest');
  await using upstream = await startImageServer({ images: [image], steps: gate.steps });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const leave = new AbortController();
  const left = ask(`/images/${image.uuid}`, { signal: leave.signal }).catch(() => 'left');
  await until(() => upstream.countOf('manifest') === 1);
  const opened = gate.openAfter(mirror, 1);
  const stayed = ask(`/images/${image.uuid}`);
  leave.abort();
  await opened;
  assert.equal(await left, 'left');
  assert.equal((await stayed).status, 200);
  assert.equal(upstream.countOf('manifest'), 1);
});
