import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultConfig, loadConfig } from '../../../src/config/load.ts';
import { printConfig } from '../../../src/config/print.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import type { Config } from '../../../src/config/schema.ts';

function load(text: string): Config {
  const result = loadConfig({ file: { path: 'printed', text }, env: {}, flags: {} });
  assert.ok(result.ok, result.ok ? '' : result.problems.map(formatProblem).join('\n'));
  return result.config;
}

const nameText = fc.stringMatching(/^[a-z0-9][a-z0-9._:-]{0,20}$/).filter((name) => name !== 'imported');
const pathText = fc
  .string({ minLength: 1, maxLength: 30, unit: 'binary' })
  .filter((path) => !/[\0\uD800-\uDFFF]/.test(path));

const upstreamKeys = fc.record({
  name: nameText,
  url: fc.constantFrom('http://a', 'https://b:8443/base', 'http://[::1]:81'),
  channel: fc.option(fc.constantFrom('*', 'dev', 'null', '1')),
  caFile: fc.option(pathText),
  headers: fc.dictionary(
    fc.constantFrom('X-Site', 'Accept', '__proto__'),
    fc.stringMatching(/^[!-~]([ -~]{0,10}[!-~])?$/),
  ),
  stallTimeout: fc.integer({ min: 1, max: 86_400_000 }),
  proxy: fc.constantFrom('env', 'none', 'http://proxy:3128'),
});

/** Configurations in which every kind of key varies. */
const configs: fc.Arbitrary<Config> = fc
  .record({
    listen: fc.record({
      port: fc.integer({ min: 0, max: 65_535 }),
      publicUrl: fc.option(fc.constantFrom('http://mirror:8080', 'https://[fd00::1]/base')),
    }),
    cache: fc.record({ dir: pathText, maxBytes: fc.option(fc.integer({ min: 2 ** 20, max: 2 ** 45 })) }),
    catalog: fc.record({
      refreshEvery: fc.integer({ min: 1000, max: 86_400_000 }),
      negativeTtl: fc.integer({ min: 0, max: 86_400_000 }),
    }),
    metrics: fc.record({ enabled: fc.boolean() }),
    log: fc.record({ level: fc.constantFrom('info', 'debug', 'silent') }),
    upstreams: fc.uniqueArray(upstreamKeys, { minLength: 1, maxLength: 4, selector: ({ name }) => name }),
  })
  .map(({ listen, cache, catalog, metrics, log, upstreams }): Config => {
    const config = structuredClone(defaultConfig());
    const [standard] = config.upstreams;
    assert.ok(standard);
    Object.assign(config.listen, listen);
    Object.assign(config.cache, cache);
    Object.assign(config.catalog, catalog);
    Object.assign(config.metrics, metrics);
    Object.assign(config.log, log);
    return Object.assign(config, { upstreams: upstreams.map((given) => Object.assign({}, standard, given)) });
  });

test('prints the defaults so that they load back', () => {
  assert.deepEqual(load(printConfig(defaultConfig())), defaultConfig());
});

test('what it prints loads back to the same configuration', () => {
  fc.assert(
    fc.property(configs, (config) => {
      // Through JSON, because dictionaries from fast-check have no prototype.
      assert.deepEqual(JSON.parse(JSON.stringify(load(printConfig(config)))), JSON.parse(JSON.stringify(config)));
    }),
    { numRuns: 50 },
  );
});

test('masks secrets, and what it prints still loads', () => {
  const text = `upstreams:
  - name: a
    url: https://a
    proxy: http://user:hunter2@proxy:3128
    headers: {Authorization: Bearer hunter2, X-Api-Key: hunter2, Cookie: hunter2, X-Site: berlin}
`;
  const printed = printConfig(load(text));
  assert.doesNotMatch(printed, /hunter2/);
  assert.match(printed, /X-Site: berlin/);
  assert.equal(load(printed).upstreams[0]?.headers['Authorization'], '***');
});

test('masks a token', () => {
  const standard = defaultConfig();
  assert.match(printConfig({ ...standard, admin: { token: 'hunter2', tokenFile: null } }), /token: "?\*\*\*"?\n/);
});
