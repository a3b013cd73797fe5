import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { listKeys } from '../../../src/config/keys.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { NOT_YET } from '../../../src/config/not-yet.ts';
import { formatProblem } from '../../../src/config/problem.ts';

function problems(text: string): string[] {
  const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {} });
  return result.ok ? [] : result.problems.map(formatProblem);
}

function upstream(kind: string): string {
  return `upstreams: [{name: a, kind: ${kind}, url: "http://a"}]`;
}

test('refuses a key whose feature is not built at any value but its default', () => {
  assert.deepEqual(problems('store:\n  index: redis://somewhere\n'), [
    'c.yaml:2: store.index: not available yet (leave it out, or at its default null)',
  ]);
  assert.deepEqual(problems('store:\n  index: null\n'), []);
});

test('refuses kinds that are not built', () => {
  assert.match(
    problems(upstream('dsapi'))[0] ?? '',
    /upstreams\[0\]\.kind: not available yet \(leave it out, or at its default imgapi\)/,
  );
  assert.match(problems(upstream('directory'))[0] ?? '', /not available yet/);
  assert.deepEqual(problems(upstream('imgapi')), []);
  assert.match(problems(upstream('nonsense'))[0] ?? '', /one of imgapi, dsapi, directory/);
});

test('does not look for a URL where a directory was named', () => {
  assert.equal(problems('upstreams: [{name: a, kind: directory, url: ./images}]').length, 1);
});

test('finds them inside lists and sections, and takes a list without entries', () => {
  assert.match(
    problems('store: {blobs: {s3: {endpoint: "http://s3", bucket: b}}}')[0] ?? '',
    /store\.blobs: not available yet/,
  );
  assert.deepEqual(problems('prefetch: []'), []);
});

test('never shows the value it refuses', () => {
  assert.doesNotMatch(problems('admin: {token: hunter2}').join('\n'), /hunter2/);
});

test('names only keys there are', () => {
  const known = new Set(listKeys().map(({ name }) => name));
  assert.deepEqual(
    NOT_YET.filter(({ key }) => !known.has(key)),
    [],
  );
});

test('the default configuration says so of the same sections', () => {
  const text = readFileSync(new URL('../../../config/imgapi-mirror.yaml', import.meta.url), 'utf8');
  const said = [...text.matchAll(/^#.* Not available yet\.\n(\w+):/gm)].map(([, section]) => section);
  const sections = NOT_YET.filter(({ values }) => values === undefined).map(({ key }) => key.split('.')[0]);
  assert.deepEqual(said, [...new Set(sections)]);
});
