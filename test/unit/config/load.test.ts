import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig, loadConfig, type LoadInput } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import type { Config } from '../../../src/config/schema.ts';

function load(text: string, rest: Partial<LoadInput> = {}): Config {
  const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {}, ...rest });
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
  return result.config;
}

function problems(text: string, rest: Partial<LoadInput> = {}): string[] {
  const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {}, ...rest });
  assert.ok(!result.ok, 'expected problems');
  return result.problems.map(formatProblem);
}

test('is all defaults, with units resolved, when nobody says anything', () => {
  const config = defaultConfig();
  assert.equal(config.listen.host, '0.0.0.0');
  assert.equal(config.listen.port, 8080);
  assert.equal(config.cache.minFreeBytes, 5 * 2 ** 30);
  assert.equal(config.cache.maxBytes, null);
  assert.equal(config.catalog.refreshEvery, 300_000);
  assert.deepEqual(
    config.upstreams.map(({ name, url, stallTimeout }) => ({ name, url, stallTimeout })),
    [{ name: 'smartos', url: 'https://images.smartos.org', stallTimeout: 30_000 }],
  );
});

test('takes the file over the defaults, the environment over the file, flags over all', () => {
  const text = 'listen: {host: 127.0.0.1, port: 1}\ncache: {dir: /file}\n';
  const env = { IMGAPI_MIRROR_LISTEN_PORT: '2', IMGAPI_MIRROR_CACHE_DIR: '/env' };
  const config = load(text, { env, flags: { cacheDir: '/flag' } });
  assert.deepEqual([config.listen.host, config.listen.port, config.cache.dir], ['127.0.0.1', 2, '/flag']);
});

test('replaces lists whole and completes their entries with defaults', () => {
  const config = load('upstreams:\n  - {name: a, url: "http://a"}\n  - {name: b, url: "http://b", maxDownloads: 1}\n');
  assert.deepEqual(
    config.upstreams.map(({ maxDownloads }) => maxDownloads),
    [16, 1],
  );
  const flagged = load('upstreams: [{name: a, url: "http://a"}]', { flags: { upstreams: ['c=http://c'] } });
  assert.deepEqual(
    flagged.upstreams.map(({ name }) => name),
    ['c'],
  );
});

test('takes an empty file, and a section whose keys are all commented out, as the defaults', () => {
  assert.deepEqual(load(''), defaultConfig());
  assert.deepEqual(load('cache:\n  # dir: /x\nlisten:\n  tls:\n'), defaultConfig());
});

test('names file, line, key, what was found and what would do', () => {
  assert.deepEqual(problems('listen:\n  port: 99999\n'), [
    'c.yaml:2: listen.port: found 99999; a whole number from 0 to 65535 would do',
  ]);
  assert.deepEqual(problems('log:\n  level: loud\n'), [
    'c.yaml:2: log.level: found "loud"; one of fatal, error, warn, info, debug, trace, silent would do',
  ]);
});

test('refuses numbers without a unit and says which units there are', () => {
  assert.deepEqual(problems('cache: {minFreeBytes: 200}'), [
    'c.yaml:1: cache.minFreeBytes: found 200; a size with its unit (B, KiB, MiB, GiB, TiB), such as 5GiB, would do',
  ]);
  assert.match(problems('cache: {maxBytes: 200 GB}')[0] ?? '', / would do; did you mean 200GiB\?$/);
  assert.match(problems('upstreams: []')[0] ?? '', /found a list of nothing; one of 1 to \d+ entries would do$/);
  assert.match(problems('catalog: {timeout: 30}')[0] ?? '', /found 30; a time with its unit \(ms, s, m, h, d\)/);
  assert.match(problems('cache: {maxBytes: 200}')[0] ?? '', /such as 200GiB, or null would do$/);
});

test('allows zero where zero means something and nowhere else', () => {
  assert.equal(load('cache: {minFreeBytes: 0}').cache.minFreeBytes, 0);
  assert.match(problems('upstreams: [{url: "http://a", stallTimeout: 0}]')[0] ?? '', /at least 1ms/);
});

test('refuses times that no timer can wait', () => {
  assert.match(problems('listen: {clientStallTimeout: 25d}')[0] ?? '', /at most 24d/);
});

test('names the nearest known key for an unknown one', () => {
  assert.deepEqual(problems('cache:\n  maxByte: 1GiB\n'), [
    'c.yaml:2: cache.maxByte: unknown key; the nearest known one is maxBytes',
  ]);
  assert.deepEqual(problems('minFreeBytes: 1GiB'), [
    'c.yaml:1: minFreeBytes: unknown key; cache.minFreeBytes is known',
  ]);
  assert.match(problems('metrics: {zzz: 1}')[0] ?? '', /known here: enabled$/);
  assert.match(
    problems('upstreams: [{url: "http://a", stalTimeout: 1s}]')[0] ?? '',
    /upstreams\[0\]\.stalTimeout: .* stallTimeout$/,
  );
});

test('reports every problem, from every source, not only the first', () => {
  const found = problems('listen: {port: -1, hots: x}\nlog: {format: xml}\n', {
    env: { IMGAPI_MIRROR_CACHE_MAX_BYTES: '20GB' },
    flags: { port: 'abc' },
  });
  assert.equal(found.length, 5);
});

test('says what kind of thing stands where a section, a list or text belongs', () => {
  assert.match(problems('cache: 5')[0] ?? '', /cache: found 5; a mapping of keys \(dir, /);
  assert.match(problems('cache: [1]')[0] ?? '', /cache: found a list; a mapping/);
  assert.match(problems('upstreams: {a: 1}')[0] ?? '', /upstreams: found a mapping; a list would do/);
  assert.match(problems('cache: {dir: 5}')[0] ?? '', /found 5; the same in quotes, as text, would do/);
  assert.match(problems('cache: {finishAbandoned: yes}')[0] ?? '', /found "yes"; true or false would do/);
});

test('refuses a file that is no mapping, and YAML that is none, in one line with its place', () => {
  assert.deepEqual(problems('- 1\n'), [
    'c.yaml:1:1: found a list; a mapping of keys (listen:, upstreams:, ...) would do',
  ]);
  assert.deepEqual(problems('just text'), [
    'c.yaml:1:1: found a single value; a mapping of keys (listen:, upstreams:, ...) would do',
  ]);
  const [syntax = '', ...more] = problems('listen: {port: 1\nlog: 2');
  assert.match(syntax, /^c\.yaml:\d+:\d+: .+$/);
  assert.deepEqual(more, []);
});

test('survives a list that holds itself', () => {
  assert.match(problems('upstreams: &x [*x]\n')[0] ?? '', /upstreams\[0\]: found a list; a mapping of keys/);
});

test('never quotes secrets or control characters', () => {
  const all = problems(
    'upstreams:\n  - url: "https://user:hunter2@h/?token=hunter2"\n    headers: {Authorization: "hunter2\\n", X-Number: 4711}\nlog: {"a\\u001b[31m\\u202e": 1}\n',
  ).join('\n');
  assert.doesNotMatch(all, /hunter2|4711/);
  assert.doesNotMatch(all, /\p{Bidi_Control}|(?!\n)\p{Cc}/u);
  assert.match(all, /headers\.Authorization: not right \(not shown/);
});

test('refuses headers the mirror sets itself, and one header in two spellings', () => {
  const found = problems('upstreams: [{url: "http://a", headers: {Host: x, X-A: a, x-a: b}}]');
  assert.match(found[0] ?? '', /headers\.Host: found "Host"; another header/);
  assert.match(found[1] ?? '', /headers\.x-a: there twice/);
});

test('warns of certificate checks that are off and of credentials in the clear', () => {
  const text =
    'upstreams: [{name: a, url: "https://a", insecure: true}, {name: b, url: "http://b", headers: {authorization: x}}]';
  const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {} });
  assert.ok(result.ok);
  assert.deepEqual(result.warnings, [
    'upstream a: certificate checks are off (insecure: true)',
    'upstream b: its credentials go over plain http',
  ]);
});
