import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listKeys } from '../../../src/config/keys.ts';
import { defaultConfig, loadConfig } from '../../../src/config/load.ts';
import { compareConfigs, LIVE_KEYS } from '../../../src/config/reload.ts';
import type { Config } from '../../../src/config/schema.ts';

function configOf(text: string): Config {
  const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {} });
  if (!result.ok) assert.fail(JSON.stringify(result.problems));
  return result.config;
}

test('the same configuration changes nothing', () => {
  const config = configOf('listen: {allow: [10.0.0.0/8]}');
  assert.deepEqual(compareConfigs(config, structuredClone(config)), { live: [], needRestart: [], config });
});

test('what can be applied is told from what needs a restart, and only the former is in force', () => {
  const running = defaultConfig();
  const next = configOf(
    'log: {level: debug, format: pretty}\nlisten: {port: 9090, allow: [10.0.0.0/8], clientStallTimeout: 1m}\ncache: {maxBytes: 1GiB}\ncatalog: {refreshEvery: 1m}\n',
  );
  const { live, needRestart, config } = compareConfigs(running, next);
  assert.deepEqual(live.toSorted(), ['catalog.refreshEvery', 'listen.allow', 'listen.clientStallTimeout', 'log.level']);
  assert.deepEqual(needRestart.toSorted(), ['cache.maxBytes', 'listen.port', 'log.format']);
  assert.deepEqual(config, {
    ...running,
    log: { ...running.log, level: 'debug' },
    listen: { ...running.listen, allow: ['10.0.0.0/8'], clientStallTimeout: 60_000 },
    catalog: { ...running.catalog, refreshEvery: 60_000 },
  });
});

test('what waits for a restart is named again by the next reload', () => {
  const running = defaultConfig();
  const next = configOf('cache: {dir: /elsewhere}');
  const first = compareConfigs(running, next);
  assert.deepEqual(compareConfigs(first.config, next).needRestart, ['cache.dir']);
  assert.deepEqual(compareConfigs(first.config, running).needRestart, []);
});

test('lists are named whole, whatever changed inside', () => {
  const running = defaultConfig();
  const next = configOf('upstreams: [{name: smartos, url: "https://images.smartos.org", stallTimeout: 5s}]');
  assert.deepEqual(compareConfigs(running, next).needRestart, ['upstreams']);
});

function twoUpstreams(a: string, b: string): Config {
  return configOf(`upstreams:\n  - {name: a, url: "http://a"${a}}\n  - {name: b, url: "http://b"${b}}\n`);
}

test('the bandwidth of upstreams is applied, what else changed of them waits', () => {
  const running = twoUpstreams('', '');
  const limited = twoUpstreams('', ', bandwidth: {limit: 5MiB}');
  assert.deepEqual(compareConfigs(running, limited), {
    live: ['upstreams[].bandwidth.limit'],
    needRestart: [],
    config: limited,
  });
  const hours = ', bandwidth: {schedule: [{from: "08:00", to: "18:00", limit: 1MiB}]}';
  const both = compareConfigs(running, twoUpstreams(`${hours}, stallTimeout: 5s`, ''));
  assert.deepEqual([both.live, both.needRestart], [['upstreams[].bandwidth.schedule'], ['upstreams']]);
  assert.deepEqual(both.config, twoUpstreams(hours, ''));
});

function limitedUpstream(limit: string): string {
  return `{name: b, url: "http://b", bandwidth: {limit: ${limit}}}`;
}

test('an upstream that came or went takes no bandwidth from its neighbours', () => {
  const running = configOf(`upstreams: [{name: a, url: "http://a"}, ${limitedUpstream('1MiB')}]`);
  const { config, live } = compareConfigs(running, configOf(`upstreams: [${limitedUpstream('2MiB')}]`));
  assert.deepEqual(live, ['upstreams[].bandwidth.limit']);
  assert.deepEqual(
    config.upstreams.map(({ name, bandwidth }) => [name, bandwidth.limit]),
    [
      ['a', null],
      ['b', 2 * 2 ** 20],
    ],
  );
});

test('other certificate files are applied, but a port that speaks HTTP does not begin to speak HTTPS', () => {
  const plain = defaultConfig();
  const [first, second] = [
    configOf('listen: {tls: {certFile: a, keyFile: b}}'),
    configOf('listen: {tls: {certFile: c, keyFile: d}}'),
  ];
  const tlsKeys = ['listen.tls.certFile', 'listen.tls.keyFile'];
  assert.deepEqual(compareConfigs(first, second).live, tlsKeys);
  for (const [before, after] of [
    [plain, first],
    [first, plain],
  ] as const) {
    const { live, needRestart, config } = compareConfigs(before, after);
    assert.deepEqual([live, needRestart, config], [[], tlsKeys, before]);
  }
});

test('every live key is a key', () => {
  const known = new Set(listKeys().map(({ name }) => name));
  assert.deepEqual(
    LIVE_KEYS.filter((key) => !known.has(key)),
    [],
  );
});

test('a certificate without its key, or a key without its certificate, is refused', () => {
  for (const [text, key] of [
    ['listen: {tls: {certFile: a}}', 'listen.tls.keyFile'],
    ['listen: {tls: {keyFile: a}}', 'listen.tls.certFile'],
  ] as const) {
    const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {} });
    assert.deepEqual(result.ok ? [] : result.problems.map((problem) => problem.key), [key]);
  }
});
