/** Issue 5, item 1: the series of a mirror are a matter of its configuration, and docs/metrics.md has all of them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { ownSeries } from '../unit/metrics/exposition.ts';

const REQUESTS = 10_000;
const AT_ONCE = 16;

async function scrape({ url }: TestMirror): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

test('10,000 requests for other uuids, from other addresses, at other times, add no series', async (t) => {
  const image = makeImage({ size: 2_000, icon: true });
  const other = makeImage({ name: 'other', size: 3_000 });
  await using upstream = await startImageServer({ images: [image, other] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const before = ownSeries(await scrape(mirror));
  assert.ok(before.length > 300, `${before.length}`);

  // All of 127.0.0.0/8 is ours on Linux alone; elsewhere there is one address.
  const addresses =
    process.platform === 'linux' ? ['127.0.0.1', '127.0.0.2', '127.1.2.3', '127.200.0.9'] : ['127.0.0.1'];
  const agents = addresses.map((localAddress) => new Agent({ keepAlive: true, maxSockets: AT_ONCE, localAddress }));
  t.after(() => agents.forEach((agent) => agent.destroy()));
  const paths = (n: number): string =>
    [
      `/images/${randomUUID()}`,
      `/images/${randomUUID()}/file`,
      `/images/${image.uuid}/file`,
      `/images/${other.uuid}`,
      `/images?name=n${n}`,
      `/images/${image.uuid}/icon`,
      `/images/${image.uuid}/file${n % 3}`,
      `/path-${n}`,
      `/images?channel=c${n}`,
      `/_mirror/api/images/${randomUUID()}`,
      '/ping',
    ][n % 11] ?? '/';
  const statuses = new Set<number>();
  let next = 0;
  async function client(): Promise<void> {
    for (let n = next++; n < REQUESTS; n = next++) {
      const agent = agents[n % agents.length]!;
      const method = n % 97 === 0 ? 'DELETE' : n % 13 === 0 ? 'HEAD' : 'GET';
      const headers = { host: `host-${n}`, 'user-agent': `agent-${n}`, 'x-request-id': randomUUID() };
      const response = await rawRequest({ port: mirror.port, method, path: paths(n), headers, agent, keepBody: false });
      statuses.add(response.status);
      if (n % 2_500 === 0) await mirror.app.catalog.refresh();
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  for (const status of [200, 404, 503])
    assert.ok(statuses.has(status), `${status} is not among ${[...statuses].join()}`);

  const text = await scrape(mirror);
  assert.deepEqual(ownSeries(text), before);
  const counted = [...text.matchAll(/^imgapi_mirror_http_requests_total\{.*\} (\d+)$/gm)];
  const total = counted.reduce((sum, [, value]) => sum + Number(value), 0);
  assert.ok(total >= REQUESTS, `${total}`);
});

test('docs/metrics.md has every metric of a real mirror, with all labels and their values, and no other', async (t) => {
  await using upstream = await startImageServer({ images: [makeImage({ size: 1_000 })] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const text = await scrape(mirror);
  const rows = new Map(
    readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => [line.slice(3, line.indexOf('`', 3)), line]),
  );
  const types = [...text.matchAll(/^# TYPE (imgapi_mirror_\S+) (\S+)$/gm)];
  assert.deepEqual(types.map(([, name = '']) => name).toSorted(), [...rows.keys()].toSorted());
  for (const [, name = '', type] of types)
    assert.match(rows.get(name) ?? '', new RegExp(`^\\| \`${name}\` \\| ${type} `));
  for (const series of ownSeries(text)) {
    const name = series.replace(/\{.*/, '');
    const row = rows.get(name) ?? rows.get(name.replace(/_(bucket|sum|count)$/, '')) ?? '';
    for (const [, label = '', value = ''] of series.matchAll(/(\w+)="([^"]*)"/g)) {
      if (label === 'le') continue;
      const told = new RegExp(`\`${label}\`: ([^;|]*)`).exec(row)?.[1] ?? '';
      const isFree = ['upstream', 'version', 'node'].includes(label);
      assert.ok(isFree ? told !== '' : told.includes(`\`${value}\``), `docs/metrics.md does not tell of ${series}`);
    }
  }
});

test('a reload that failed is seen until one goes well', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const isWell = async (): Promise<number> => mirror.metric('imgapi_mirror_config_last_reload_successful');
  assert.equal(await isWell(), 1);
  mirror.app.reloadFailed();
  assert.equal(await isWell(), 0);
  mirror.app.reload(mirror.config, undefined);
  assert.equal(await isWell(), 1);
});

test('what is in force of the intervals is among the metrics, also after a reload', async (t) => {
  await using upstream = await startImageServer();
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const { config } = mirror;
  mirror.app.reload(
    { ...config, catalog: { ...config.catalog, refreshEvery: 90_000 }, cache: { ...config.cache, scrubEvery: 0 } },
    undefined,
  );
  assert.equal(await mirror.metric('imgapi_mirror_catalog_refresh_interval_seconds'), 90);
  assert.match(await scrape(mirror), /^imgapi_mirror_scrub_interval_seconds \+Inf$/m);
});
