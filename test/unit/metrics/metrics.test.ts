import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DOWNLOAD_RESULTS } from '../../../src/downloads/download.ts';
import { INTEGRITY_RESULTS, RESUME_MODES } from '../../../src/downloads/transfer-events.ts';
import { REQUEST_KINDS } from '../../../src/upstream/http-client.ts';
import {
  CACHE_KINDS,
  CACHE_RESULTS,
  CODES,
  FILE_RESULTS,
  METHODS,
  ROUTES,
  UPSTREAM_RESULTS,
  createMetrics,
} from '../../../src/metrics/metrics.ts';
import { ownSeries, seriesOf } from './exposition.ts';

const options = { version: '1.2.3', nodeVersion: '24.21.0', upstreams: ['smartos', 'local'] };

const textOf = async (): Promise<string> => createMetrics(options).registry.metrics();

test('every series exists before its first event, at zero', async () => {
  const series = seriesOf(await textOf());
  const zero = (name: string): void => {
    assert.equal(series.get(`imgapi_mirror_${name}`), 0, name);
  };
  for (const route of ROUTES) {
    for (const method of METHODS) {
      for (const code of CODES) zero(`http_requests_total{route="${route}",method="${method}",code="${code}"}`);
    }
    zero(`http_responses_aborted_total{route="${route}"}`);
    zero(`http_response_bytes_total{route="${route}"}`);
    zero(`http_request_duration_seconds_count{route="${route}"}`);
  }
  for (const kind of CACHE_KINDS) {
    for (const result of CACHE_RESULTS) zero(`cache_results_total{kind="${kind}",result="${result}"}`);
  }
  for (const result of FILE_RESULTS) {
    zero(`file_response_bytes_total{result="${result}"}`);
    zero(`file_broken_bytes_total{result="${result}"}`);
  }
  for (const upstream of options.upstreams) {
    for (const kind of REQUEST_KINDS) {
      for (const result of UPSTREAM_RESULTS) {
        zero(`upstream_requests_total{upstream="${upstream}",kind="${kind}",result="${result}"}`);
      }
      zero(`upstream_response_bytes_total{upstream="${upstream}",kind="${kind}"}`);
      zero(`upstream_response_seconds_count{upstream="${upstream}",kind="${kind}"}`);
    }
  }
  for (const mode of RESUME_MODES) {
    zero(`transfer_resumes_total{mode="${mode}"}`);
    zero(`transfer_resumed_bytes_total{mode="${mode}"}`);
  }
  for (const upstream of options.upstreams) {
    zero(`transfer_failovers_total{upstream="${upstream}"}`);
    zero(`transfer_stalls_total{upstream="${upstream}"}`);
  }
  for (const result of INTEGRITY_RESULTS) zero(`integrity_checks_total{result="${result}"}`);
  zero('pass_throughs_alone_total');
  for (const result of DOWNLOAD_RESULTS) zero(`downloads_total{result="${result}"}`);
  zero('download_duration_seconds_count');
});

test('the cache results that the design names are among the labels', () => {
  for (const result of ['hit', 'miss', 'join', 'stale', 'negative']) {
    assert.ok(
      CACHE_RESULTS.some((known) => known === result),
      result,
    );
  }
});

test('it says which version runs on which Node', async () => {
  assert.equal(seriesOf(await textOf()).get('imgapi_mirror_build_info{version="1.2.3",node="24.21.0"}'), 1);
});

test('two registries share nothing: an app is not a singleton', async () => {
  const [one, other] = [createMetrics(options), createMetrics(options)];
  one.downloads.inc({ result: 'stored' }, 7);
  const name = 'imgapi_mirror_downloads_total{result="stored"}';
  assert.deepEqual(
    [seriesOf(await one.registry.metrics()).get(name), seriesOf(await other.registry.metrics()).get(name)],
    [7, 0],
  );
});

test('names follow the conventions of Prometheus: our prefix, base units, _total on counters and on nothing else', async () => {
  const text = await textOf();
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
  assert.ok(types.length > 20);
  for (const { name, type } of types) {
    assert.equal(name.endsWith('_total'), type === 'counter', `${name} is a ${type}`);
    assert.doesNotMatch(name, /_(ms|millis|milliseconds|kb|mb|kib|mib|minutes|percent)(_|$)/);
    if (type === 'histogram') assert.match(name, /_(seconds|bytes)$/);
    assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
  }
  const foreign = types.filter(({ name }) => !/^(imgapi_mirror|process|nodejs)_/.test(name));
  assert.deepEqual(foreign, []);
});

test('an upstream with characters that must be escaped in a label stays one series', async () => {
  const { registry } = createMetrics({ ...options, upstreams: ['a"b\\c'] });
  const text = await registry.metrics();
  assert.match(text, /upstream="a\\"b\\\\c"/);
  assert.equal(ownSeries(text).length, new Set(ownSeries(text)).size);
});
