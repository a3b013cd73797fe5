import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { OperationEvent } from '../../src/operations/operation.ts';
import type { PrefetchEvent, PrefetchResult } from '../../src/operations/prefetch.ts';
import { resultOf } from '../../src/operations/results.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startImageServer, type ImageServer, type ImageServerOptions } from '../support/image-server.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const SIZE = 300_000;

async function startUpstream(t: TestContext, options: ImageServerOptions): Promise<ImageServer> {
  const server = await startImageServer(options);
  t.after(async () => server.close());
  return server;
}

interface Started {
  readonly events: readonly PrefetchEvent[];
  readonly result: Promise<PrefetchResult>;
  readonly abort: () => void;
}

function prefetch(mirror: TestMirror, selectors: readonly string[], dryRun = false): Started {
  const abort = new AbortController();
  const events: PrefetchEvent[] = [];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the events of this operation
  const onEvent = (event: OperationEvent): void => void events.push(event as PrefetchEvent);
  const run = mirror.app.operations.prefetch.run({ selectors, dryRun }, { signal: abort.signal, onEvent });
  const result = run.then((found) => resultOf('prefetch', found));
  // Awaited by the test, or stopped by it.
  result.catch(() => {});
  return { events, result, abort: () => abort.abort(new Error('enough')) };
}

async function fetchFile(mirror: TestMirror, { uuid }: TestImage): Promise<{ cache: string | null; bytes: number }> {
  const response = await fetch(`${mirror.url}/images/${uuid}/file`);
  const bytes = (await response.arrayBuffer()).byteLength;
  return { cache: response.headers.get('x-cache'), bytes };
}

function chain(): { readonly base: TestImage; readonly child: TestImage; readonly other: TestImage } {
  const base = makeImage({ name: 'base', size: SIZE });
  const child = makeImage({ name: 'child', size: SIZE, origin: base });
  return { base, child, other: makeImage({ name: 'other', size: SIZE }) };
}

test('a dry run tells what would be fetched, and fetches nothing', async (t) => {
  const { base, child, other } = chain();
  const upstream = await startUpstream(t, { images: [child, base, other] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await fetchFile(mirror, base);
  const { result, events } = prefetch(mirror, ['name=child with-origins', 'name=base'], true);
  const { dryRun, plan, planned, fetched } = await result;
  assert.deepEqual(
    [dryRun, plan.images, plan.files, plan.bytes, plan.presentImages, plan.fits],
    [true, 1, 1, SIZE, 1, true],
  );
  assert.deepEqual(
    planned.map(({ name, bytes }) => [name, bytes]),
    [['child', SIZE]],
  );
  assert.deepEqual(fetched, []);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['plan'],
  );
  assert.equal(upstream.countOf('file'), 1);
});

test('what is prefetched is a hit for everyone, origins first, and stays an image without its upstream', async (t) => {
  // An origin that is no longer active is in no list and served by its uuid.
  const hidden = makeImage({ name: 'hidden', size: SIZE, state: 'disabled' });
  const base = makeImage({ name: 'base', size: SIZE, origin: hidden });
  const child = makeImage({ name: 'child', size: SIZE, origin: base });
  const upstream = await startUpstream(t, { images: [child, base, hidden] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const { result, events } = prefetch(mirror, ['name=child with-origins']);
  const { fetched, failed, already, bytes, plan, warnings } = await result;
  assert.deepEqual(
    fetched.map(({ name }) => name),
    ['hidden', 'base', 'child'],
  );
  assert.deepEqual([failed, already, bytes, plan.unresolvable, warnings], [[], [], 3 * SIZE, [], []]);
  const asked = upstream.requests.filter(({ route }) => route === 'file').map(({ uuid }) => uuid);
  assert.deepEqual(asked, [hidden.uuid, base.uuid, child.uuid]);
  assert.deepEqual(events.at(-1), { type: 'total', received: 3 * SIZE, bytes: 3 * SIZE, filesDone: 3, files: 3 });
  assert.equal(events.filter(({ type }) => type === 'image').length, 3);
  await upstream.stop();
  assert.deepEqual(await fetchFile(mirror, child), { cache: 'HIT', bytes: SIZE });
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_runs_total{by="hand",result="ok"}'), 1);
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_images_total{result="fetched"}'), 3);
  assert.equal(
    await mirror.metric('imgapi_mirror_upstream_cause_bytes_total{upstream="up0",cause="prefetch"}'),
    3 * SIZE + (await mirror.metric('imgapi_mirror_upstream_response_bytes_total{upstream="up0",kind="manifest"}')),
  );
  const again = await prefetch(mirror, ['name=child with-origins']).result;
  assert.deepEqual([again.fetched, again.already.length, again.bytes], [[], 3, 0]);
});

test('all that a prefetch pulls counts as prefetched: origins that had to be looked up, and icons', async (t) => {
  const hidden = makeImage({ name: 'hidden', size: SIZE, state: 'disabled' });
  const child = makeImage({ name: 'child', size: SIZE, origin: hidden, icon: true });
  const unlisted = makeImage({ name: 'unlisted', size: SIZE, state: 'disabled' });
  const upstream = await startUpstream(t, { images: [child, hidden, unlisted] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const pulled = async (metric: string, label: string): Promise<number> =>
    mirror.metric(`imgapi_mirror_${metric}_bytes_total{upstream="up0",${label}}`);
  const ofImages = async (): Promise<number> => {
    const kinds = ['manifest', 'icon', 'file'].map(async (kind) => pulled('upstream_response', `kind="${kind}"`));
    return (await Promise.all(kinds)).reduce((sum, bytes) => sum + bytes, 0);
  };
  const { fetched } = await prefetch(mirror, ['name=child with-origins']).result;
  assert.equal(fetched.length, 2);
  for (const kind of ['manifest', 'icon']) assert.ok((await pulled('upstream_response', `kind="${kind}"`)) > 0, kind);
  assert.equal(await pulled('upstream_cause', 'cause="demand"'), 0);
  const prefetched = await pulled('upstream_cause', 'cause="prefetch"');
  assert.equal(prefetched, await ofImages());
  await (await fetch(`${mirror.url}/images/${unlisted.uuid}`)).text();
  const demanded = await pulled('upstream_cause', 'cause="demand"');
  assert.ok(demanded > 0);
  assert.equal(demanded, (await ofImages()) - prefetched);
});

test('an image whose origin no upstream has is fetched, and said to be of no use', async (t) => {
  const nowhere = makeImage({ name: 'nowhere' });
  const base = makeImage({ name: 'base', version: '1', size: SIZE, origin: nowhere });
  const child = makeImage({ name: 'child', version: '2', size: SIZE, origin: base });
  const hidden = makeImage({ name: 'hidden', size: SIZE, state: 'disabled' });
  const other = makeImage({ name: 'other', size: SIZE, origin: hidden });
  const upstream = await startUpstream(t, { images: [base, child, other, hidden] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const asked = upstream.countOf('manifest');
  for (const [selector, name] of [
    ['name=child', 'child 2'],
    ['name=other', 'other'],
  ] as const) {
    const { fetched, plan, lackingOrigin, warnings } = await prefetch(mirror, [selector]).result;
    assert.deepEqual([fetched.length, plan.unresolvable, lackingOrigin], [1, [], []]);
    assert.match(warnings.join('\n'), new RegExp(`^no list that is known has the origin of 1 image: ${name}`));
  }
  // Nobody wanted these origins: no upstream is asked for them, however many there are.
  assert.equal(upstream.countOf('manifest'), asked);

  const { fetched, already, plan, lackingOrigin, warnings } = await prefetch(mirror, ['name=child with-origins'])
    .result;
  assert.equal(fetched.length + already.length, 2);
  assert.deepEqual(
    plan.unresolvable.map(({ uuid, absent }) => [uuid, absent]),
    [[nowhere.uuid, true]],
  );
  assert.ok(lackingOrigin.some(({ name }) => name === 'child'));
  assert.match(warnings.join('\n'), new RegExp(`^origin ${nowhere.uuid} is not to be had .*child 2 ${child.uuid}`));
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_runs_total{by="hand",result="ok"}'), 3);
  const found = await prefetch(mirror, ['name=other with-origins']).result;
  assert.deepEqual([found.fetched.length, found.lackingOrigin, found.warnings], [1, [], []]);
});

test('origins in another channel than the default are known where the selector names it', async (t) => {
  const base = makeImage({ name: 'base', size: SIZE, channels: ['dev'] });
  const child = makeImage({ name: 'child', size: SIZE, origin: base, channels: ['dev'] });
  const channels = [
    { name: 'release', description: '', default: true },
    { name: 'dev', description: '' },
  ];
  const upstream = await startUpstream(t, { images: [base, child], channels });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const { fetched, warnings } = await prefetch(mirror, ['name=child channel=dev']).result;
  assert.deepEqual([fetched.length, warnings], [1, []]);
});

test('images that fail are told with their reason, and the others are there', async (t) => {
  const { base, other } = chain();
  const upstream = await startUpstream(t, {
    images: [base, other],
    behave: ({ route, uuid }) => (route === 'file' && uuid === base.uuid ? { status: 404 } : undefined),
  });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const { fetched, failed } = await prefetch(mirror, ['name=base', 'name=other']).result;
  assert.deepEqual(
    fetched.map(({ name }) => name),
    ['other'],
  );
  assert.deepEqual(
    failed.map(({ name }) => name),
    ['base'],
  );
  assert.match(failed[0]?.reason ?? '', /up0/);
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_runs_total{by="hand",result="failed"}'), 1);
});

test('interrupted, it leaves what it has, and the next one goes on there', async (t) => {
  const { base } = chain();
  const upstream = await startUpstream(t, {
    images: [base],
    behaviour: { supportsRange: true, stallAfterBytes: SIZE / 2 },
  });
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 20_000 }] });
  const first = prefetch(mirror, ['name=base']);
  await until(() => [...mirror.app.downloads.running].some(({ written }) => written >= SIZE / 2));
  first.abort();
  await assert.rejects(first.result, { message: 'enough' });
  await until(() => [...mirror.app.downloads.running].length === 0);
  upstream.behaviour = { supportsRange: true };
  const { fetched } = await prefetch(mirror, ['name=base']).result;
  assert.equal(fetched.length, 1);
  const { headers } = upstream.requests.findLast(({ route }) => route === 'file') ?? {};
  assert.equal(headers?.['range'], `bytes=${SIZE / 2}-`);
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_runs_total{by="hand",result="stopped"}'), 1);
});

test('a stop leaves a download that a client has joined alone', async (t) => {
  const { base } = chain();
  const upstream = await startUpstream(t, { images: [base], behaviour: { stallAfterBytes: SIZE / 2 } });
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 20_000 }] });
  const { result, abort } = prefetch(mirror, ['name=base']);
  await until(() => [...mirror.app.downloads.running].some(({ written }) => written > 0));
  const client = fetchFile(mirror, base);
  await until(() => [...mirror.app.downloads.running].some(({ priority }) => priority === 'demand'));
  abort();
  await assert.rejects(result);
  upstream.behaviour = {};
  assert.deepEqual(await client, { cache: 'JOIN', bytes: SIZE });
  assert.equal(upstream.countOf('file'), 1);
});

test('a herd that comes while a prefetch runs has its file long before the prefetch is through', async (t) => {
  const { other } = chain();
  // Three seconds at that limit: the herd comes within them, and needs less than one.
  const base = makeImage({ name: 'base', size: 4 * SIZE });
  const upstream = await startUpstream(t, { images: [base, other] });
  const limit = 400_000;
  const mirror = await startMirror(t, {
    upstreams: [{ url: upstream.url, bandwidth: { limit, schedule: [] }, prefetchDownloads: 1 }],
  });
  const { result } = prefetch(mirror, ['name=base']);
  await until(() => upstream.countOf('file') === 1);
  const herd = await Promise.all(Array.from({ length: 5 }, async () => fetchFile(mirror, other)));
  for (const { bytes } of herd) assert.equal(bytes, SIZE);
  const [prefetched] = mirror.app.downloads.running;
  assert.equal(prefetched?.priority, 'prefetch', 'it is not through when the herd is');
  assert.equal((await result).fetched.length, 1);
  assert.equal(upstream.countOf('file'), 2);
});

test('what does not fit is refused before anything is fetched; nothing that is wanted goes for it', async (t) => {
  const { base, child, other } = chain();
  const upstream = await startUpstream(t, { images: [base, child, other] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes: 3 * SIZE } });
  await fetchFile(mirror, base);
  const wanted = ['name=base', 'name=child', 'name=other'];
  const dry = await prefetch(mirror, wanted, true).result;
  assert.deepEqual([dry.plan.fits, dry.plan.evictBlobs], [false, 0]);
  assert.match(dry.warnings.join(), /does not fit/);
  await assert.rejects(prefetch(mirror, wanted).result, { code: 'InsufficientSpace' });
  assert.equal(upstream.countOf('file'), 1);
  const tight = await prefetch(mirror, ['name=child', 'name=other']).result;
  assert.deepEqual([tight.plan.evictBlobs, tight.fetched.length], [1, 2]);
  assert.equal((await fetchFile(mirror, child)).cache, 'HIT');
});

test('a configured prefetch runs once the mirror serves, and a reload stops it', async (t) => {
  const { base, child, other } = chain();
  const upstream = await startUpstream(t, {
    images: [base, child, other],
    behave: ({ route, uuid }) => (route === 'file' && uuid === other.uuid ? { stallAfterBytes: SIZE / 2 } : undefined),
  });
  const entry = { every: 3_600_000, window: null, pin: false };
  const mirror = await startMirror(t, {
    upstreams: [{ url: upstream.url, stallTimeout: 20_000 }],
    prefetch: [
      { ...entry, select: ['name=child with-origins'] },
      { ...entry, select: ['name=other'] },
    ],
  });
  const runs = async (result: string): Promise<number> =>
    mirror.metric(`imgapi_mirror_prefetch_runs_total{by="schedule",result="${result}"}`);
  await until(async () => (await runs('ok')) === 1);
  for (const image of [base, child]) assert.equal((await fetchFile(mirror, image)).cache, 'HIT');
  assert.ok((await mirror.metric('imgapi_mirror_prefetch_last_success_timestamp_seconds')) > 0);
  await until(() => [...mirror.app.downloads.running].some(({ written }) => written >= SIZE / 2));
  mirror.app.reload({ ...mirror.config, prefetch: [] }, undefined);
  await until(async () => (await runs('stopped')) === 1);
  await until(() => [...mirror.app.downloads.running].length === 0);
});

test('a selector that is wrong or selects nothing says so', async (t) => {
  const { base } = chain();
  const upstream = await startUpstream(t, { images: [base] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await assert.rejects(prefetch(mirror, ['name=bsae']).result, { code: 'NothingSelected' });
  await assert.rejects(prefetch(mirror, ['nmae=base']).result, { code: 'ValidationFailed' });
  assert.equal(upstream.countOf('file'), 0);
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_runs_total{by="hand",result="failed"}'), 0);
});

test('a configured prefetch that selects nothing has failed', async (t) => {
  const { base } = chain();
  const upstream = await startUpstream(t, { images: [base] });
  const entry = { every: 3_600_000, window: null, pin: false };
  const mirror = await startMirror(t, {
    upstreams: [upstream.url],
    prefetch: [
      { ...entry, select: ['name=bsae'] },
      { ...entry, select: ['name=base'] },
    ],
  });
  const failed = 'imgapi_mirror_prefetch_runs_total{by="schedule",result="failed"}';
  await until(async () => (await mirror.metric(failed)) === 1);
  await until(async () => (await mirror.metric('imgapi_mirror_prefetch_runs_total{by="schedule",result="ok"}')) === 1);
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_failing'), 1, 'the one that went well does not hide it');
  assert.equal(await mirror.metric('imgapi_mirror_prefetch_runs_total{by="hand",result="failed"}'), 0);
});
