import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listKeys } from '../../../src/config/keys.ts';
import { parseUpstreamFlag, type ConfigFlags } from '../../../src/config/layers.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import type { Config } from '../../../src/config/schema.ts';

type Environment = Readonly<Record<string, string>>;

function load(env: Environment, flags: ConfigFlags = {}): Config {
  const result = loadConfig({ env, flags });
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
  return result.config;
}

function problems(env: Environment, flags: ConfigFlags = {}): string[] {
  const result = loadConfig({ env, flags });
  assert.ok(!result.ok, 'expected problems');
  return result.problems.map(formatProblem);
}

test('gives every key outside of lists a variable of its own', () => {
  const variables = listKeys().flatMap(({ variable }) => variable ?? []);
  assert.equal(new Set(variables).size, variables.length);
  assert.ok(variables.includes('IMGAPI_MIRROR_CACHE_MAX_BYTES'));
  assert.ok(variables.includes('IMGAPI_MIRROR_LISTEN_TLS_CERT_FILE'));
  assert.ok(variables.includes('IMGAPI_MIRROR_OFFLINE'));
});

test('reads sizes, numbers, words, booleans and null from variables', () => {
  const config = load({
    IMGAPI_MIRROR_CACHE_MAX_BYTES: '200GiB',
    IMGAPI_MIRROR_LISTEN_PORT: '9090',
    IMGAPI_MIRROR_LOG_FORMAT: 'pretty',
    IMGAPI_MIRROR_METRICS_ENABLED: 'false',
    IMGAPI_MIRROR_LISTEN_PUBLIC_URL: 'null',
  });
  assert.equal(config.cache.maxBytes, 200 * 2 ** 30);
  assert.equal(config.listen.port, 9090);
  assert.equal(config.log.format, 'pretty');
  assert.equal(config.metrics.enabled, false);
  assert.equal(config.listen.publicUrl, null);
});

test('takes text as it stands, even where YAML would see a number', () => {
  assert.equal(load({ IMGAPI_MIRROR_CACHE_DIR: '007' }).cache.dir, '007');
  assert.equal(load({ IMGAPI_MIRROR_CACHE_DIR: '# a: [' }).cache.dir, '# a: [');
});

test('reads lists as YAML text', () => {
  const config = load({ IMGAPI_MIRROR_UPSTREAMS: '[{name: a, url: "http://a"}, {url: "http://b", stallTimeout: 5s}]' });
  assert.deepEqual(
    config.upstreams.map(({ name, stallTimeout }) => [name, stallTimeout]),
    [
      ['a', 30_000],
      ['b', 5000],
    ],
  );
  assert.match(
    problems({ IMGAPI_MIRROR_UPSTREAMS: '[a' })[0] ?? '',
    /^IMGAPI_MIRROR_UPSTREAMS: upstreams: not YAML: line 1, column 3: /,
  );
});

test('names the variable in problems', () => {
  assert.deepEqual(problems({ IMGAPI_MIRROR_LISTEN_PORT: 'http' }), [
    'IMGAPI_MIRROR_LISTEN_PORT: listen.port: found "http"; a whole number from 0 to 65535 would do',
  ]);
  assert.match(
    problems({ IMGAPI_MIRROR_UPSTREAMS: '[{url: x}]' })[0] ?? '',
    /^IMGAPI_MIRROR_UPSTREAMS: upstreams\[0\]\.url: /,
  );
});

test('refuses unknown variables and names the nearest', () => {
  assert.deepEqual(problems({ IMGAPI_MIRROR_CACHE_MAXBYTES: '1GiB' }), [
    'IMGAPI_MIRROR_CACHE_MAXBYTES: unknown variable; the nearest known one is IMGAPI_MIRROR_CACHE_MAX_BYTES',
  ]);
  assert.match(problems({ IMGAPI_MIRROR_PORT: '80' })[0] ?? '', /the nearest known one is IMGAPI_MIRROR_LISTEN_PORT$/);
  assert.match(problems({ IMGAPI_MIRROR_CONFG: 'x' })[0] ?? '', /IMGAPI_MIRROR_CONFIG$/);
  assert.match(problems({ IMGAPI_MIRROR_QQQQQQQ: 'x' })[0] ?? '', /docs\/configuration\.md/);
});

test('leaves other variables, the name of the file and empty ones alone', () => {
  load({ PATH: '/bin', IMGAPI_MIRROR_CONFIG: 'x.yaml', IMGAPI_MIRROR_CACHE_MAX_BYTES: '', imgapi_mirror_x: '1' });
});

test('starts beside a Kubernetes service of its own name', () => {
  // Kubernetes sets these in every container of the namespace; refusing them would keep the mirror from starting there.
  load({
    IMGAPI_MIRROR_SERVICE_HOST: '10.0.0.1',
    IMGAPI_MIRROR_SERVICE_PORT: '8080',
    IMGAPI_MIRROR_SERVICE_PORT_HTTP: '8080',
    IMGAPI_MIRROR_PORT: 'tcp://10.0.0.1:8080',
    IMGAPI_MIRROR_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
    IMGAPI_MIRROR_PORT_8080_TCP_ADDR: '10.0.0.1',
  });
});

test('takes each flag to its key', () => {
  const config = load({}, { host: '::1', port: '0', cacheDir: '/c', logLevel: 'debug', upstreams: ['http://u'] });
  assert.deepEqual(
    [config.listen.host, config.listen.port, config.cache.dir, config.log.level, config.upstreams[0]?.url],
    ['::1', 0, '/c', 'debug', 'http://u'],
  );
});

test('names the flag in problems', () => {
  assert.deepEqual(problems({}, { port: '-1' }), [
    '--port: listen.port: found "-1"; a whole number from 0 to 65535 would do',
  ]);
  assert.match(
    problems({}, { upstreams: ['nonsense'] })[0] ?? '',
    /^--upstream: upstreams\[0\]\.url: found "nonsense"; an http:\/\//,
  );
});

test('tells NAME=URL from a URL that holds "="', () => {
  assert.deepEqual(parseUpstreamFlag('lab=http://lab/x=y'), { name: 'lab', url: 'http://lab/x=y' });
  assert.deepEqual(parseUpstreamFlag('http://lab/x=y'), { url: 'http://lab/x=y' });
  assert.deepEqual(parseUpstreamFlag('http://lab'), { url: 'http://lab' });
  assert.deepEqual(parseUpstreamFlag('=http://lab'), { url: '=http://lab' });
});
