import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clockLine, startLines, upstreamLine, type StartFacts } from '../../../src/cli/start-lines.ts';
import { defaultConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';

function factsWith(
  cache: Partial<Config['cache']>,
  upstreams?: readonly { readonly name: string; readonly url: string }[],
): StartFacts {
  const config = defaultConfig();
  const [first] = config.upstreams;
  assert.ok(first);
  return {
    config: {
      ...config,
      cache: { ...config.cache, ...cache },
      upstreams: upstreams?.map((upstream) => ({ ...first, ...upstream })) ?? config.upstreams,
    },
    dir: '/srv/cache',
    url: 'http://192.0.2.7:8080',
    version: '1.2.3',
  };
}

test('a person is told the version, what to type on a host, the cache with its limits, and the upstreams', () => {
  const lines = startLines(
    factsWith({ maxBytes: 200 * 2 ** 30, minFreeBytes: 5 * 2 ** 30 }, [
      { name: 'first', url: 'https://one.test' },
      { name: 'second', url: 'https://two.test' },
    ]),
  );
  assert.deepEqual(lines, [
    'imgapi-mirror 1.2.3',
    '  on a SmartOS host:  imgadm sources -a http://192.0.2.7:8080',
    '  cache:              /srv/cache (at most 200GiB, 5GiB of the disk left free)',
    '  upstream:           first  https://one.test',
    '  upstream:           second  https://two.test',
  ]);
});

test('a mirror that only its own machine reaches advises no other host to use it', () => {
  const facts = factsWith({});
  const linesAt = (listen: Partial<Config['listen']>): string[] =>
    startLines({ ...facts, config: { ...facts.config, listen: { ...facts.config.listen, ...listen } } });
  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
    const lines = linesAt({ host });
    assert.equal(lines[1], '  here and only here: imgadm sources -a http://192.0.2.7:8080');
    assert.match(
      lines.at(-1) ?? '',
      /^warning: it listens on \S+, where only this machine reaches it: --host 0\.0\.0\.0/,
    );
  }
  // Something before it lets them in.
  for (const listen of [{ host: '127.0.0.1', publicUrl: 'https://mirror.test' }, { host: '0.0.0.0' }, { host: '::' }])
    assert.deepEqual(linesAt(listen), linesAt({}));
});

test('a mirror that is offline says so', () => {
  const facts = factsWith({});
  const lines = startLines({ ...facts, config: { ...facts.config, offline: true } });
  assert.deepEqual(lines.slice(3), [
    '  offline:            no upstream is asked, what is cached or imported is served',
    '  upstream:           smartos  https://images.smartos.org',
  ]);
});

test('without a limit it says so', () => {
  assert.match(startLines(factsWith({ maxBytes: null })).join('\n'), /as much as the disk gives/);
});

test('control characters from a configuration do not reach the terminal', () => {
  const lines = startLines({
    ...factsWith({}, [{ name: 'a\u001b[31m', url: 'https://x.test/\n' }]),
    dir: '/a\rb',
    url: 'http://\u202e',
  });
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  assert.doesNotMatch(lines.join(''), /[\u0000-\u001f\u202e]/);
});

test('an upstream answers, or does not and will be asked again', () => {
  assert.equal(upstreamLine('smartos', 41.6, undefined), '  upstream smartos answers (42 ms)');
  assert.equal(
    upstreamLine('smartos', 5000, 'upstream smartos: ECONNREFUSED\n'),
    '  no answer from upstream smartos: ECONNREFUSED\\u000a (it will be asked again)',
  );
});

test('a clock that is off is said with its direction, in minutes', () => {
  assert.equal(clockLine('a', 6 * 60_000), 'warning: the clock of this machine is 6 min ahead of that of upstream a');
  assert.equal(clockLine('a', -90 * 60_000), 'warning: the clock of this machine is 90 min behind that of upstream a');
});
