/** Issue 4, item 5: a mirror that is offline lists what it knows, serves what it has, and connects to nobody. */
import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type MirrorOptions, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, createAsk, namesOf, type Ask } from './ask.ts';

const day = (n: number): { readonly size: number; readonly publishedAt: string } => ({
  size: 1_000 + n,
  publishedAt: `2020-01-0${n}T00:00:00Z`,
});
const cached = makeImage({ name: 'cached', icon: true, ...day(1) });
const listed = makeImage({ name: 'listed', icon: true, ...day(2) });
const disabled = makeImage({ name: 'disabled', state: 'disabled', ...day(3) });
const twoFiles = makeImage({ name: 'two-files', files: 2, ...day(4) });
const UNKNOWN = '99999999-1111-4111-8111-111111111111';

const offlineError = (uuid: string) => ({
  status: 503,
  code: 'Offline',
  message: new RegExp(
    `^image ${uuid}: .* not cached here and this mirror is offline; run "imgapi-mirror prefetch ${uuid}" and .*"imgapi-mirror export ${uuid} -o FILE" on a connected mirror, then "imgapi-mirror import FILE" here$`,
  ),
});

/** The directory of a mirror that has fetched `targets` from these images, and was closed. */
async function warmed(
  t: TestContext,
  images: readonly TestImage[],
  targets: readonly string[],
  options: { readonly channels?: readonly { readonly name: string; readonly default?: true }[] } = {},
): Promise<string> {
  await using upstream = await startImageServer({ images, ...options });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  for (const target of targets) assert.equal((await ask(`/images/${target}`)).status, 200, target);
  for (const uuid of new Set(
    targets.filter((target) => target.includes('/file')).map((target) => target.split('/')[0]),
  )) {
    await until(() => existsSync(path.join(mirror.dir, 'manifests', `${uuid}.json`)));
  }
  // The list is saved behind the refresh.
  await mirror.app.catalog.refresh();
  await mirror.close();
  return mirror.dir;
}

interface Offline {
  readonly mirror: TestMirror;
  readonly ask: Ask;
}

/** Its upstream has a name that nobody resolves. */
async function startOffline(t: TestContext, options: Partial<MirrorOptions> = {}): Promise<Offline> {
  const mirror = await startMirror(t, { upstreams: ['http://images.invalid'], offline: true, ...options });
  return { mirror, ask: createAsk(mirror) };
}

test('the saved list is shown, what is cached is served, and what is not says what to do about it', async (t) => {
  const dir = await warmed(
    t,
    [cached, listed, disabled],
    [`${cached.uuid}/file`, `${cached.uuid}/icon`, disabled.uuid],
  );
  const { ask } = await startOffline(t, { dir });

  const list = await ask('/images');
  assert.deepEqual([list.status, list.headers['x-cache'], namesOf(list)], [200, 'STALE', ['cached', 'listed']]);
  assert.deepEqual(namesOf(await ask('/images?name=~list')), ['listed']);
  assert.deepEqual(namesOf(await ask(`/images?marker=${cached.uuid}&limit=10`)), ['cached', 'listed']);
  assert.deepEqual((await ask(`/images/${listed.uuid}`)).json, listed.manifest);
  assert.deepEqual((await ask(`/images/${disabled.uuid}`)).json, disabled.manifest, 'looked up before');

  const file = await ask(`/images/${cached.uuid}/file`, { hash: true });
  assert.deepEqual([file.status, file.headers['x-cache'], file.sha1], [200, 'HIT', cached.files[0]?.sha1]);
  assert.deepEqual((await ask(`/images/${cached.uuid}/icon`)).body, cached.icon?.bytes);
  const part = await ask(`/images/${cached.uuid}/file`, { headers: { range: 'bytes=10-19' } });
  assert.deepEqual([part.status, part.body], [206, cached.files[0]?.read(10, 10)]);

  for (const tail of [`${listed.uuid}/file`, `${listed.uuid}/icon`, UNKNOWN, `${UNKNOWN}/file`]) {
    assertError(await ask(`/images/${tail}`), offlineError(tail.slice(0, 36)));
  }
  assert.equal((await ask(`/images/${listed.uuid}/file`, { method: 'HEAD' })).status, 503, 'as GET would be');
  assert.equal((await ask(`/images/${cached.uuid}/file`, { method: 'HEAD' })).status, 200);
  assert.equal((await ask(`/images/${cached.uuid}/file?index=1`)).status, 404, 'its manifest says so');
});

test('no name is resolved and nothing is connected to', async (t) => {
  const dir = await warmed(t, [cached, listed], [`${cached.uuid}/file`]);
  const counts: Record<string, number> = {};
  const hook = createHook({
    init(_id, type) {
      if (/^(?:TCPCONNECTWRAP|PIPECONNECTWRAP|GETADDRINFOREQWRAP|QUERYWRAP|UDPWRAP|UDPSENDWRAP)$/.test(type))
        counts[type] = (counts[type] ?? 0) + 1;
    },
  }).enable();
  t.after(() => hook.disable());
  const { ask, mirror } = await startOffline(t, { dir, catalog: { refreshEvery: 10 } });
  let asked = 0;
  for (const tail of [
    '',
    '?channel=dev',
    `/${cached.uuid}/file`,
    `/${listed.uuid}/file`,
    `/${UNKNOWN}`,
    `/${listed.uuid}`,
  ]) {
    await ask(`/images${tail}`);
    asked += 1;
  }
  await ask('/channels');
  await mirror.app.catalog.refresh();
  for (const upstream of mirror.app.upstreams) {
    const request = { requestId: UNKNOWN, signal: new AbortController().signal, channel: undefined };
    await assert.rejects(upstream.ping(request), { code: 'Offline' });
    await assert.rejects(upstream.list({ ...request, validators: {} }), { code: 'Offline' });
  }
  hook.disable();
  assert.deepEqual(counts, { TCPCONNECTWRAP: asked + 1 }, 'the test’s own connections to the mirror');
});

test('an upstream nobody asks is neither up nor failing', async (t) => {
  const dir = await warmed(t, [cached], [`${cached.uuid}/file`]);
  const { ask, mirror } = await startOffline(t, { dir });
  await ask(`/images/${UNKNOWN}`);
  assert.ok(Number.isNaN(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}')));
  assert.equal(await mirror.metric('imgapi_mirror_upstream_breaker_open{upstream="up0",kind="list"}'), 0);
  const failed = 'imgapi_mirror_catalog_refreshes_total{upstream="up0",result="failed"}';
  assert.equal(await mirror.metric(failed), 0);
  assert.equal(
    await mirror.metric('imgapi_mirror_upstream_requests_total{upstream="up0",kind="list",result="connect"}'),
    0,
  );
  assert.deepEqual(mirror.log.linesOf(/catalog refresh failed|is failing/), []);
});

test('a mirror that was never connected says that it has no list; a uuid is unknown, not absent', async (t) => {
  const { ask } = await startOffline(t);
  assertError(await ask('/images'), { status: 503, code: 'Offline', message: /offline, and has no list/ });
  assertError(await ask(`/images/${UNKNOWN}`), offlineError(UNKNOWN));
  assert.equal((await ask('/channels')).status, 404, 'as of a server without channels');
  assert.equal((await ask('/ping')).status, 200);
});

test('channels are as they were, with and without the records', async (t) => {
  const channels = [{ name: 'release', default: true }, { name: 'dev' }] as const;
  const images = [
    makeImage({ name: 'released', channels: ['release'], ...day(1) }),
    makeImage({ name: 'developed', channels: ['dev'], ...day(2) }),
  ];
  const dir = await warmed(
    t,
    images,
    images.map(({ uuid }) => `${uuid}/file?channel=*`),
    { channels },
  );
  for (const isLost of [false, true]) {
    if (isLost) {
      for (const name of readdirSync(dir).filter((entry) => entry.startsWith('records.sqlite')))
        await rm(path.join(dir, name));
    }
    const { ask, mirror } = await startOffline(t, { dir });
    assert.deepEqual((await ask('/channels')).json, channels);
    assert.deepEqual(namesOf(await ask('/images')), ['released']);
    assert.deepEqual(namesOf(await ask('/images?channel=dev')), ['developed']);
    assert.deepEqual(namesOf(await ask('/images?channel=*')), ['released', 'developed']);
    assert.equal((await ask('/images?channel=bogus')).status, 422);
    await mirror.close();
  }
});

for (const offline of [true, false]) {
  test(`listOnlyCached lists the images that are here whole, ${offline ? 'offline' : 'online too'}`, async (t) => {
    await using upstream = await startImageServer({ images: [cached, listed, twoFiles] });
    const dir = await warmed(t, [cached, listed, twoFiles], [`${cached.uuid}/file`, `${twoFiles.uuid}/file?index=1`]);
    const { ask } = await startOffline(t, {
      dir,
      offline,
      upstreams: [upstream.url],
      catalog: { listOnlyCached: true },
    });
    assert.deepEqual(namesOf(await ask('/images')), ['cached']);
    assert.deepEqual(namesOf(await ask('/images?name=~list')), []);
    assert.deepEqual(
      namesOf(await ask(`/images?marker=${listed.uuid}`)),
      [],
      'what is not shown is a marker all the same',
    );
    const [get, head] = [await ask('/images'), await ask('/images', { method: 'HEAD' })];
    assert.equal(head.headers['content-length'], get.headers['content-length']);
    assert.equal((await ask(`/images/${listed.uuid}`)).status, 200, 'by uuid as ever');
    if (offline) return;
    assert.equal((await ask(`/images/${twoFiles.uuid}/file`)).status, 200);
    await until(async () => namesOf(await ask('/images')).length === 2);
  });
}
