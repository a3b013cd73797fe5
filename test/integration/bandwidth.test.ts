import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { makeImage } from '../support/images.ts';
import { startImageServer } from '../support/image-server.ts';
import { startMirror, type MirrorOptions, type TestMirror } from '../support/mirror.ts';

const SIZE = 400_000;
const GAUGE = 'imgapi_mirror_upstream_bandwidth_limit_bytes_per_second{upstream="up0"}';

async function limitedMirror(
  t: TestContext,
  limit: number,
  options: Partial<MirrorOptions> = {},
): Promise<{ readonly mirror: TestMirror; readonly uuids: readonly string[] }> {
  const images = ['a', 'b'].map((name) => makeImage({ name, size: SIZE }));
  const upstream = await startImageServer({ images });
  t.after(async () => upstream.close());
  const mirror = await startMirror(t, {
    // Much shorter than the waits the limit makes.
    upstreams: [{ url: upstream.url, stallTimeout: 100, bandwidth: { limit, schedule: [] } }],
    ...options,
  });
  return { mirror, uuids: images.map(({ uuid }) => uuid) };
}

/** How long all of them take together, ms, and where they came from. */
async function fetchAll(mirror: TestMirror, uuids: readonly string[]): Promise<{ ms: number; caches: Set<string> }> {
  const startedAt = performance.now();
  const caches = new Set<string>();
  await Promise.all(
    uuids.map(async (uuid) => {
      const response = await fetch(`${mirror.url}/images/${uuid}/file`);
      caches.add(response.headers.get('x-cache') ?? '');
      assert.equal((await response.arrayBuffer()).byteLength, SIZE);
    }),
  );
  return { ms: performance.now() - startedAt, caches };
}

test('the limit holds for the sum of transfers, and a transfer that is held back has not stalled', async (t) => {
  const { mirror, uuids } = await limitedMirror(t, SIZE);
  const { ms, caches } = await fetchAll(mirror, uuids);
  // Two seconds' worth, less what goes ahead. How much longer it takes is the machine's business.
  assert.ok(ms > 1_500, `${ms} ms`);
  assert.deepEqual([...caches], ['MISS']);
  assert.equal(await mirror.metric(GAUGE), SIZE);
  assert.ok((await mirror.metric('imgapi_mirror_upstream_throttled_seconds_total{upstream="up0"}')) > 1);
  assert.equal(
    await mirror.metric('imgapi_mirror_upstream_requests_total{upstream="up0",kind="file",result="2xx"}'),
    2,
  );
});

test('it holds for what is passed through too', async (t) => {
  const { mirror, uuids } = await limitedMirror(t, SIZE, { cache: { maxBytes: SIZE / 4 } });
  const { ms, caches } = await fetchAll(mirror, uuids);
  assert.deepEqual([...caches], ['PASS']);
  assert.ok(ms > 1_500, `${ms} ms`);
});

test('a reload changes the limit of what runs', async (t) => {
  // A quarter of an hour for both.
  const { mirror, uuids } = await limitedMirror(t, 1024);
  const [upstream] = mirror.config.upstreams;
  assert.ok(upstream);
  const fetched = fetchAll(mirror, uuids);
  // The first chunks go at once; from then on they wait.
  await fetch(`${mirror.url}/ping`);
  mirror.app.reload(
    { ...mirror.config, upstreams: [{ ...upstream, bandwidth: { limit: null, schedule: [] } }] },
    undefined,
  );
  await fetched;
  const metrics = await (await fetch(`${mirror.url}/metrics`)).text();
  assert.ok(metrics.includes(`${GAUGE} +Inf`));
});
