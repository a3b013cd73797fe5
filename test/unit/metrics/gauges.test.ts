import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { registerGauges } from '../../../src/metrics/gauges.ts';
import type { Gauges } from '../../../src/metrics/gauge-sources.ts';
import { seriesOf } from './exposition.ts';

interface State {
  running: number;
  followers: number;
  blobs: number;
  maxBytes: number | null;
  ageSeconds: number | undefined;
  isUp: boolean;
  ok: number;
}

function bench() {
  const state: State = {
    running: 0,
    followers: 0,
    blobs: 0,
    maxBytes: null,
    ageSeconds: undefined,
    isUp: false,
    ok: 0,
  };
  const read: Gauges = {
    readiness: async () => ({ isReady: state.isUp, isWritable: state.ok > 0 }),
    downloads: () => ({ running: state.running, followers: state.followers, passing: state.running * 7 }),
    async storage() {
      await turn();
      const { blobs, maxBytes } = state;
      return {
        blobs,
        bytes: blobs * 1000,
        maxBytes,
        minFreeBytes: 5,
        freeBytes: 7,
        reservedBytes: blobs + 1,
        usedBytes: blobs * 1001,
        partialBytes: blobs + 2,
        quarantinedFiles: blobs + 3,
        quarantinedBytes: blobs + 4,
        evictionRanAtMs: blobs === 0 ? undefined : 5000,
      };
    },
    scrub: () => ({
      isReading: state.isUp,
      everyMs: state.blobs * 1000,
      succeededAtMs: state.blobs === 0 ? undefined : 6000,
    }),
    negatives: () => state.blobs * 5,
    breakers: () => [
      { upstream: 'up0', kind: 'list', state: state.isUp ? 'half-open' : 'open' },
      { upstream: 'up0', kind: 'file', state: 'closed' },
    ],
    prefetch: () => ({
      runs: { schedule: { ok: state.ok * 3, failed: 0 }, hand: { ok: state.ok * 5, failed: 0 } },
      images: { fetched: state.ok * 2, already: 0, failed: 0 },
      failing: state.ok * 6,
      unfinished: state.ok * 7,
      succeededAtMs: state.isUp ? 7000 : undefined,
    }),
    bandwidths: () => [{ upstream: 'up0', limit: state.isUp ? 5000 : undefined, throttledSeconds: state.ok / 2 }],
    certificateExpiresAtMs: () => (state.isUp ? 8000 : undefined),
    catalog: () => ({
      refreshEveryMs: 300_000,
      images: state.blobs * 2,
      conflicts: state.blobs * 3,
      upstreams: [
        {
          upstream: 'up0',
          images: state.blobs * 4,
          isUp: state.isUp,
          isHeld: state.isUp,
          ageSeconds: state.ageSeconds,
          dropped: state.blobs,
          refreshes: { ok: state.ok, failed: 1, useless: 0, held: 0 },
        },
      ],
    }),
  };
  const registry = new Registry();
  const update = registerGauges(registry, read);
  async function series() {
    await update();
    return seriesOf(await registry.metrics());
  }
  return { state, series };
}

test('everything is there at the first scrape, also of a mirror that has just begun', async () => {
  const series = await bench().series();
  for (const name of [
    'downloads_running',
    'download_followers',
    'pass_throughs_running',
    'ready',
    'cache_writable',
    'blobs',
    'blob_bytes',
    'catalog_images',
    'catalog_conflicts',
    'prefetch_failing',
    'prefetch_unfinished',
    'upstream_list_held{upstream="up0"}',
  ]) {
    assert.equal(series.get(`imgapi_mirror_${name}`), 0, name);
  }
  assert.equal(series.get('imgapi_mirror_cache_max_bytes'), Infinity);
  assert.equal(series.get('imgapi_mirror_upstream_bandwidth_limit_bytes_per_second{upstream="up0"}'), Infinity);
  assert.equal(series.get('imgapi_mirror_scrub_interval_seconds'), Infinity);
  assert.ok(Number.isNaN(series.get('imgapi_mirror_tls_certificate_expiry_timestamp_seconds')));
  assert.ok(Number.isNaN(series.get('imgapi_mirror_upstream_list_age_seconds{upstream="up0"}')));
  for (const result of ['ok', 'failed', 'useless', 'held']) {
    const name = `imgapi_mirror_catalog_refreshes_total{upstream="up0",result="${result}"}`;
    assert.ok(series.has(name), name);
  }
});

test('a scrape shows the state of its own moment, not that of the scrape before', async () => {
  const { state, series } = bench();
  await series();
  Object.assign(state, { running: 2, followers: 9, blobs: 3, maxBytes: 5000, ageSeconds: 12.5, isUp: true, ok: 4 });
  const now = await series();
  const expected: readonly (readonly [string, number])[] = [
    ['downloads_running', 2],
    ['download_followers', 9],
    ['pass_throughs_running', 14],
    ['ready', 1],
    ['cache_writable', 1],
    ['blobs', 3],
    ['blob_bytes', 3000],
    ['cache_max_bytes', 5000],
    ['cache_min_free_bytes', 5],
    ['cache_free_bytes', 7],
    ['cache_reserved_bytes', 4],
    ['cache_used_bytes', 3003],
    ['partial_bytes', 5],
    ['quarantined_files', 6],
    ['quarantined_bytes', 7],
    ['eviction_last_run_timestamp_seconds', 5],
    ['scrub_interval_seconds', 3],
    ['tls_certificate_expiry_timestamp_seconds', 8],
    ['catalog_refresh_interval_seconds', 300],
    ['catalog_images', 6],
    ['catalog_conflicts', 9],
    ['negative_entries', 15],
    ['upstream_images{upstream="up0"}', 12],
    ['upstream_up{upstream="up0"}', 1],
    ['upstream_list_held{upstream="up0"}', 1],
    ['upstream_list_age_seconds{upstream="up0"}', 12.5],
    ['upstream_list_dropped_entries{upstream="up0"}', 3],
    ['upstream_breaker_open{upstream="up0",kind="list"}', 0.5],
    ['upstream_breaker_open{upstream="up0",kind="file"}', 0],
    ['upstream_bandwidth_limit_bytes_per_second{upstream="up0"}', 5000],
    ['upstream_throttled_seconds_total{upstream="up0"}', 2],
    ['prefetch_runs_total{by="schedule",result="ok"}', 12],
    ['prefetch_runs_total{by="hand",result="ok"}', 20],
    ['prefetch_images_total{result="fetched"}', 8],
    ['prefetch_failing', 24],
    ['prefetch_unfinished', 28],
    ['prefetch_last_success_timestamp_seconds', 7],
    ['catalog_refreshes_total{upstream="up0",result="ok"}', 4],
  ];
  assert.deepEqual(
    expected.map(([name]) => [name, now.get(`imgapi_mirror_${name}`)]),
    expected,
  );
});

test('a counter of refreshes is as high as it is, however often it is read', async () => {
  const { state, series } = bench();
  state.ok = 4;
  for (let scrapes = 0; scrapes < 3; scrapes++) {
    assert.equal((await series()).get('imgapi_mirror_catalog_refreshes_total{upstream="up0",result="ok"}'), 4);
  }
});
