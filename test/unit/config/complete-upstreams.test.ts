import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';

function names(...upstreams: string[]): string[] {
  const result = loadConfig({ env: {}, flags: { upstreams } });
  return result.ok ? result.config.upstreams.map(({ name }) => name) : result.problems.map(formatProblem);
}

/** True if that many upstreams are accepted. */
function loads(count: number): boolean {
  const upstreams = Array.from({ length: count }, (_, index) => ({ url: `http://h${index}` }));
  return loadConfig({ file: { path: 'c', text: JSON.stringify({ upstreams }) }, env: {}, flags: {} }).ok;
}

test('names an upstream after its host', () => {
  assert.deepEqual(names('https://Images.Example.com:8443/base'), ['images.example.com']);
  assert.deepEqual(names('http://10.0.0.1', 'http://[fd00::1]', 'http://[::1]:8080'), ['10.0.0.1', 'fd00::1', '0::1']);
});

test('adds the port where two would have one name', () => {
  assert.deepEqual(names('http://h', 'http://h:8080'), ['h:80', 'h:8080']);
  assert.deepEqual(names('https://h', 'h=http://other'), ['h:443', 'h']);
});

test('refuses one name for two upstreams, whatever its case', () => {
  assert.deepEqual(names('a=http://x', 'A=http://y'), [
    '--upstream: upstreams[1].name: "A" is the name of upstreams[0] too; another name would do',
  ]);
  assert.match(names('http://h/one', 'http://h/two')[0] ?? '', /"h:80" is the name of upstreams\[0\] too/);
});

test('refuses a host that is too long for a name, until it is given one', () => {
  const host = `${'a'.repeat(60)}.example.com`;
  assert.match(names(`http://${host}`)[0] ?? '', /cannot be its name/);
  assert.deepEqual(names(`short=http://${host}`), ['short']);
});

test('refuses no upstream at all, and more than fifty', () => {
  assert.deepEqual([0, 1, 50, 51].map(loads), [false, true, true, false]);
});

test('says that the URL is missing, once', () => {
  const result = loadConfig({ file: { path: 'c.yaml', text: 'upstreams:\n  - name: a\n' }, env: {}, flags: {} });
  assert.deepEqual(result.ok ? [] : result.problems.map(formatProblem), [
    'c.yaml:2: upstreams[0].url: missing; text of 1 to 4096 characters, such as https://images.smartos.org, would do',
  ]);
});
