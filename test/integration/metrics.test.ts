/** Issue 2, item 7: what a Prometheus that scrapes a real mirror sees. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { ownSeries, seriesOf } from '../unit/metrics/exposition.ts';
import { createAsk } from './ask.ts';

const UNKNOWN = '99999999-1111-4111-8111-111111111111';

async function scrape({ url }: TestMirror): Promise<string> {
  const answer = await fetch(`${url}/metrics`);
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  return answer.text();
}

/** The requests of a busy day: hits, misses, errors, conditionals, ranges, junk, methods nobody has. */
function variedPaths(uuid: string): readonly (readonly [method: string, path: string])[] {
  const reads = [
    '/ping',
    '/images',
    '/images?name=x',
    `/images/${uuid}`,
    `/images/${uuid}/file`,
    `/images/${uuid}/icon`,
  ];
  const junk = ['/images/junk', `/images/${UNKNOWN}`, '/channels', '/nothing', '/%zz', `/images/${uuid}/file?index=7`];
  return [
    ...[...reads, ...junk].flatMap((path) => [['GET', path] as const, ['HEAD', path] as const]),
    ['POST', '/images'],
    ['DELETE', `/images/${uuid}`],
    ['PATCH', '/ping'],
    ['PROPFIND', '/images'],
  ];
}

test('names, types and helps follow the conventions, and no label holds a uuid, an address or a path', async (t) => {
  const image = makeImage({ size: 5_000, icon: true });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  for (const [method, path] of variedPaths(image.uuid)) await ask(path, { method });
  const text = await scrape(mirror);
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
  for (const { name, type } of types) {
    assert.match(name, /^(imgapi_mirror|process|nodejs)_[a-z0-9_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'), name);
  }
  assert.equal(new Set(types.map(({ name }) => name)).size, types.length);
  for (const series of ownSeries(text)) {
    assert.doesNotMatch(series, /[0-9a-f]{8}-|127\.0\.0\.1|:\d{2,}|\/images/, series);
  }
});

test('every series is there at the first scrape, and a hundred varied requests add none', async (t) => {
  const image = makeImage({ size: 5_000, icon: true });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const before = ownSeries(await scrape(mirror));
  for (let rounds = 0; rounds < 4; rounds++) {
    for (const [method, path] of variedPaths(image.uuid)) await ask(path, { method });
  }
  await ask(`/images/${image.uuid}/file`, { headers: { range: 'bytes=1-2' } });
  upstream.behaviour = { status: 500 };
  await mirror.app.catalog.refresh();
  await ask(`/images/${UNKNOWN.replace('9', '8')}`);
  assert.deepEqual(ownSeries(await scrape(mirror)), before);
});

test('what a mirror did can be read off: results, requests, bytes on both sides, blobs', async (t) => {
  const image = makeImage({ size: 200_000, icon: true });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const [file] = image.files;
  assert.ok(file);
  for (let times = 0; times < 3; times++) {
    await ask(`/images/${image.uuid}/file`);
    await until(() => mirror.app.downloads.progressOf(file.sha1) === undefined);
    await ask(`/images/${image.uuid}/icon`);
    await ask(`/images/${image.uuid}`);
    await ask(`/images/${UNKNOWN}`);
  }
  await ask('/images');
  const iconBytes = image.icon?.bytes.length ?? 0;
  const expected: Readonly<Record<string, number>> = {
    'cache_results_total{kind="file",result="miss"}': 1,
    'cache_results_total{kind="file",result="hit"}': 2,
    'cache_results_total{kind="icon",result="miss"}': 1,
    'cache_results_total{kind="icon",result="hit"}': 2,
    'cache_results_total{kind="manifest",result="hit"}': 3,
    'cache_results_total{kind="manifest",result="negative"}': 2,
    'cache_results_total{kind="list",result="hit"}': 1,
    'http_requests_total{route="file",method="GET",code="2xx"}': 3,
    'http_requests_total{route="image",method="GET",code="2xx"}': 3,
    'http_requests_total{route="image",method="GET",code="4xx"}': 3,
    'http_response_bytes_total{route="file"}': 600_000,
    'http_response_bytes_total{route="icon"}': 3 * iconBytes,
    'http_request_duration_seconds_count{route="file"}': 3,
    'file_first_byte_seconds_count{result="hit"}': 2,
    'upstream_requests_total{upstream="up0",kind="file",result="2xx"}': 1,
    'upstream_requests_total{upstream="up0",kind="manifest",result="4xx"}': 1,
    'upstream_response_bytes_total{upstream="up0",kind="file"}': 200_000,
    'upstream_response_seconds_count{upstream="up0",kind="file"}': 1,
    'upstream_up{upstream="up0"}': 1,
    'upstream_images{upstream="up0"}': 1,
    'downloads_total{result="stored"}': 1,
    download_duration_seconds_count: 1,
    downloads_running: 0,
    download_followers: 0,
    blobs: 2,
    blob_bytes: 200_000 + iconBytes,
    catalog_images: 1,
    catalog_conflicts: 0,
  };
  await until(async () => {
    const series = seriesOf(await scrape(mirror));
    const found = Object.keys(expected).map((name) => [name, series.get(`imgapi_mirror_${name}`)]);
    assert.deepEqual(Object.fromEntries(found), expected);
    return true;
  });
});

test('a running download and its followers are seen while they run, and an aborted response after', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const gone = new AbortController();
  const leaving = ask(`/images/${image.uuid}/file`, { signal: gone.signal });
  await until(async () => (await mirror.metric('imgapi_mirror_download_followers')) === 1);
  const staying = ask(`/images/${image.uuid}/file`, { hash: true });
  await until(async () => (await mirror.metric('imgapi_mirror_download_followers')) === 2);
  assert.equal(await mirror.metric('imgapi_mirror_downloads_running'), 1);
  assert.equal(await mirror.metric('imgapi_mirror_cache_reserved_bytes'), 400_000);
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === 200_000);
  await until(async () => (await mirror.metric('imgapi_mirror_partial_bytes')) === 200_000);
  // What is under way has been sent and is on the disk: a large file may take hours.
  for (const result of ['miss', 'join']) {
    const series = `imgapi_mirror_file_response_bytes_total{result="${result}"}`;
    await until(async () => (await mirror.metric(series)) === 200_000);
  }
  const { storage, traffic } = JSON.parse((await ask('/_mirror/api/status')).text);
  assert.equal(traffic.lanBytes, 400_000);
  assert.equal(storage.usedBytes - (await mirror.metric('imgapi_mirror_cache_used_bytes')), 200_000);
  gone.abort();
  assert.equal((await leaving).endedCleanly, false);
  await until(async () => (await mirror.metric('imgapi_mirror_http_responses_aborted_total{route="file"}')) === 1);
  upstream.behaviour = {};
  assert.equal((await staying).sha1, image.files[0]?.sha1);
  assert.equal(await mirror.metric('imgapi_mirror_cache_results_total{kind="file",result="join"}'), 1);
  await until(async () => (await mirror.metric('imgapi_mirror_downloads_running')) === 0);
  assert.equal(await mirror.metric('imgapi_mirror_cache_reserved_bytes'), 0);
});

/** File requests answered with a 5xx: those that are meant, and the others. */
async function answeredBadly(mirror: TestMirror): Promise<number[]> {
  return Promise.all(
    ['refused', '5xx'].map(async (code) =>
      mirror.metric(`imgapi_mirror_http_requests_total{route="file",method="GET",code="${code}"}`),
    ),
  );
}

test('a 503 for a file that its upstream does not have, or for what is not here offline, is no error of the mirror', async (t) => {
  const image = makeImage({ size: 5_000 });
  const other = makeImage({ name: 'other', size: 6_000 });
  await using upstream = await startImageServer({
    images: [image, other],
    behave: ({ route, uuid }) => (route === 'file' ? { status: uuid === image.uuid ? 404 : 500 } : undefined),
  });
  const online = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(online);
  assert.equal((await ask(`/images/${image.uuid}/file`)).status, 503);
  assert.deepEqual(await answeredBadly(online), [1, 0]);
  assert.equal((await ask(`/images/${other.uuid}/file`)).status, 503);
  assert.deepEqual(await answeredBadly(online), [1, 1]);
  assert.equal(await online.metric('imgapi_mirror_downloads_total{result="absent"}'), 1);
  assert.equal(await online.metric('imgapi_mirror_downloads_total{result="failed"}'), 1);
  const offline = await startMirror(t, { upstreams: [upstream.url], offline: true });
  assert.equal((await createAsk(offline)(`/images/${image.uuid}/file`)).status, 503);
  assert.deepEqual(await answeredBadly(offline), [1, 0]);
});

test('an upstream that fails is seen: down, with the reason, its list ageing and held', async (t) => {
  const images = [1, 2, 3, 4].map((n) => makeImage({ name: `image-${n}`, size: 1_000 }));
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const held = 'imgapi_mirror_upstream_list_held{upstream="up0"}';
  await mirror.app.catalog.refresh();
  assert.equal(await mirror.metric(held), 0);
  upstream.behave = ({ route }) => (route === 'list' ? { listMode: 'empty' } : undefined);
  await mirror.app.catalog.refresh();
  assert.equal(await mirror.metric(held), 1);
  assert.equal(await mirror.metric('imgapi_mirror_catalog_refreshes_total{upstream="up0",result="held"}'), 1);
  assert.equal(await mirror.metric('imgapi_mirror_catalog_images'), 4);
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}'), 1, 'it did answer');
  upstream.behave = ({ route }) => (route === 'list' ? { status: 404 } : undefined);
  await mirror.app.catalog.refresh();
  assert.equal(await mirror.metric('imgapi_mirror_catalog_refreshes_total{upstream="up0",result="useless"}'), 1);
  assert.equal(await mirror.metric(held), 0, 'there is none to be taken');
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}'), 1);
  upstream.behave = undefined;
  await upstream.stop();
  await mirror.app.catalog.refresh();
  assert.equal(await mirror.metric('imgapi_mirror_upstream_up{upstream="up0"}'), 0);
  assert.equal(await mirror.metric('imgapi_mirror_catalog_refreshes_total{upstream="up0",result="failed"}'), 1);
  assert.ok(
    (await mirror.metric('imgapi_mirror_upstream_requests_total{upstream="up0",kind="list",result="connect"}')) >= 1,
  );
  assert.ok((await mirror.metric('imgapi_mirror_upstream_list_age_seconds{upstream="up0"}')) > 0);
  await createAsk(mirror)('/images');
  assert.equal(await mirror.metric('imgapi_mirror_cache_results_total{kind="list",result="stale"}'), 1);
});
