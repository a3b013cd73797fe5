/**
 * Issue 3, item 5: one sick upstream slows no request that others can answer, and heals by itself. An upstream hangs for
 * longer than any request of these tests may take: whatever waits for it fails the test.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAsk, createGate, uuidsOf } from '../integration/ask.ts';
import { startImageServer, type Behaviour, type ImageServer, type Route } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const HANGS_MS = 60_000;

let seed = 0;

/** So many images, none of which was there before. */
function images(count: number, state = 'active'): TestImage[] {
  return Array.from({ length: count }, () => makeImage({ seed: (seed += 1), state, size: 3_000 }));
}

const breakerOf = async (mirror: TestMirror, kind: 'list' | 'file', upstream = 'up0'): Promise<number> =>
  mirror.metric(`imgapi_mirror_upstream_breaker_open{upstream="${upstream}",kind="${kind}"}`);

/** Everything, or some routes, misbehave. */
function spoil(server: ImageServer, behaviour: Behaviour, ...routes: readonly Route[]): void {
  server.behave = ({ route }) => (routes.length === 0 || routes.includes(route) ? behaviour : undefined);
}

test('an upstream that hangs slows nothing that the other has', async (t) => {
  const [listed, hidden, shared] = [images(2), images(5, 'disabled'), images(1)];
  await using sick = await startImageServer({ images: shared });
  await using good = await startImageServer({ images: [...listed, ...hidden, ...shared] });
  const mirror = await startMirror(t, { upstreams: [{ url: sick.url, stallTimeout: HANGS_MS }, good.url] });
  const ask = createAsk(mirror);
  spoil(sick, { hangHeaders: true });
  void mirror.app.catalog.refresh();

  await t.test('lists, and the manifests and files of listed images', async () => {
    assert.equal(uuidsOf(await ask('/images')).length, 3);
    for (const image of listed) {
      assert.equal((await ask(`/images/${image.uuid}`)).status, 200);
      assert.equal((await ask(`/images/${image.uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
    }
  });

  await t.test('look-ups, that no longer wait for it once it has been too slow three times', async () => {
    const [last, file, ...first] = hidden.map(({ uuid }) => uuid);
    const answers = await Promise.all(first.map(async (uuid) => ask(`/images/${uuid}`)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200, 200],
    );
    assert.ok((await breakerOf(mirror, 'list')) > 0);
    const before = sick.countOf('manifest');
    assert.equal((await ask(`/images/${last}`)).status, 200);
    assert.equal((await ask(`/images/${file}/file`)).status, 200);
    // One at most: its cool-down may be over on a slow machine, and then one request tries it that nobody waits for.
    assert.ok(sick.countOf('manifest') <= before + 1, `${sick.countOf('manifest')} after ${before}`);
  });
});

test('an upstream that refuses connections is asked last for what another has too, and first again when it is well', async (t) => {
  const shared = images(30);
  await using sick = await startImageServer({ images: shared });
  await using good = await startImageServer({ images: shared });
  const mirror = await startMirror(t, { upstreams: [sick.url, good.url] });
  const ask = createAsk(mirror);
  const refused = 'imgapi_mirror_upstream_requests_total{upstream="up0",kind="file",result="connect"}';
  await sick.stop();
  const [first, second, ...others] = shared;
  assert.equal((await ask(`/images/${first!.uuid}/file`)).status, 200);
  assert.equal(await mirror.metric(refused), 3);
  assert.ok((await breakerOf(mirror, 'file')) > 0);
  assert.equal((await ask(`/images/${second!.uuid}/file`)).status, 200);
  // It was not attempted three times again; a slow machine may have seen the end of its cool-down.
  assert.ok((await mirror.metric(refused)) <= 4);
  assert.equal(await breakerOf(mirror, 'list'), 0, 'files and lists are counted apart');

  await sick.restart();
  await until(
    async () => {
      // Demands that the other answers, until one of them has made a probe that went well.
      const next = others.shift();
      if (next !== undefined) assert.equal((await ask(`/images/${next.uuid}/file`)).status, 200);
      return (await breakerOf(mirror, 'file')) === 0;
    },
    { deadlineMs: 20_000, everyMs: 500 },
  );
  const opened = 'imgapi_mirror_upstream_breaker_transitions_total{upstream="up0",kind="file",to="open"}';
  assert.ok((await mirror.metric(opened)) >= 1);
  const before = good.countOf('file');
  assert.equal((await ask(`/images/${others.at(-1)!.uuid}/file`)).status, 200);
  assert.equal(good.countOf('file'), before, 'precedence holds again');
  assert.ok(mirror.log.linesOf(/upstream is well again/).length >= 1);
});

test('what an upstream says of one image is no matter of its health: 401, 403, 404, 410, 429', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  for (const status of [401, 403, 404, 410, 429]) {
    spoil(upstream, { status }, 'manifest');
    for (const { uuid } of images(4)) {
      assert.equal((await ask(`/images/${uuid}`)).status, status === 404 || status === 410 ? 404 : 503, `${status}`);
    }
    assert.equal(await breakerOf(mirror, 'list'), 0, `${status}`);
  }
  spoil(upstream, { status: 500 }, 'manifest');
  for (const { uuid } of images(3)) assert.equal((await ask(`/images/${uuid}`)).status, 503);
  assert.ok((await breakerOf(mirror, 'list')) > 0);
});

test('the only upstream is never skipped: the first request after its recovery is answered', async (t) => {
  const [listed, hidden] = [images(2), images(2, 'disabled')];
  await using upstream = await startImageServer({ images: [...listed, ...hidden] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  spoil(upstream, { status: 503 }, 'manifest', 'file');
  for (let times = 0; times < 3; times++) assert.equal((await ask(`/images/${hidden[0]!.uuid}`)).status, 503);
  assert.equal((await ask(`/images/${listed[0]!.uuid}/file`)).status, 503);
  assert.deepEqual([await breakerOf(mirror, 'list'), await breakerOf(mirror, 'file')].includes(0), false);
  upstream.behave = undefined;
  assert.equal((await ask(`/images/${hidden[1]!.uuid}`)).status, 200);
  assert.equal((await ask(`/images/${listed[1]!.uuid}/file`)).status, 200);
  assert.deepEqual([await breakerOf(mirror, 'list'), await breakerOf(mirror, 'file')], [0, 0]);
});

test('nor is it where the others have said no: only it could have the image', async (t) => {
  const hidden = images(2, 'disabled');
  await using sick = await startImageServer({ images: hidden });
  await using good = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [sick.url, good.url] });
  const ask = createAsk(mirror);
  spoil(sick, { status: 500 }, 'manifest');
  for (let times = 0; times < 3; times++) assert.equal((await ask(`/images/${hidden[0]!.uuid}`)).status, 503);
  assert.ok((await breakerOf(mirror, 'list')) > 0);
  sick.behave = undefined;
  assert.equal((await ask(`/images/${hidden[1]!.uuid}`)).status, 200);
});

test('an upstream that hangs while the others say no is unknown after a moment: 503, never 404', async (t) => {
  await using sick = await startImageServer();
  await using good = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [{ url: sick.url, stallTimeout: HANGS_MS }, good.url] });
  const ask = createAsk(mirror);
  spoil(sick, { status: 500 }, 'manifest');
  for (const { uuid } of images(3)) assert.equal((await ask(`/images/${uuid}`)).status, 503);
  spoil(sick, { hangHeaders: true });
  const answer = await ask(`/images/${images(1)[0]!.uuid}`);
  assert.equal(answer.status, 503);
  assert.match(answer.text, /up0: has failed lately/);
});

test('a herd at a sick upstream is one request, and all of it is answered when that one is', async (t) => {
  const hidden = images(20, 'disabled');
  const gate = createGate('manifest');
  let isGated = false;
  const steps = gate.steps.map(
    (step) =>
      async (...args: Parameters<typeof step>) =>
        isGated && step(...args),
  );
  await using upstream = await startImageServer({ images: hidden, steps });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  spoil(upstream, { status: 500 }, 'manifest');
  for (const { uuid } of images(3)) assert.equal((await ask(`/images/${uuid}`)).status, 503);
  upstream.behave = undefined;
  upstream.forget();
  isGated = true;
  const opened = gate.openAfter(mirror, hidden.length);
  const answers = Promise.all(hidden.map(async ({ uuid }) => ask(`/images/${uuid}`)));
  // The gate opens a moment after the last of them has come: long enough to see how many have gone through.
  let atTheGate = 0;
  const watching = setInterval(() => {
    atTheGate = Math.max(atTheGate, isGated ? upstream.countOf('manifest') : 0);
  }, 5);
  await opened;
  isGated = false;
  clearInterval(watching);
  assert.ok(atTheGate <= 1, `${atTheGate} requests while it was not known to be well`);
  for (const { status } of await answers) assert.equal(status, 200);
});
