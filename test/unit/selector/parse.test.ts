import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  checkSelectors,
  formatSelectorProblem,
  MAX_SELECTOR_LENGTH,
  parseSelector,
  parseSelectors,
} from '../../../src/selector/parse.ts';
import { printSelector } from '../../../src/selector/print.ts';
import { selectorOf } from './sample.ts';

function problemsOf(text: string): string[] {
  return checkSelectors([text]).map(formatSelectorProblem);
}

test('reads every term, in any order, and prints them in one', () => {
  const text =
    'with-origins latest=2 name="two words" version=1.?.* os=smartos type=zvol upstream=a channel=dev tag.docker:id=x published>=2024-01-01 published<2025 size<2GiB cached not-cached pinned conflict unlisted';
  assert.equal(
    printSelector(selectorOf(text)),
    'name="two words" version=1.?.* os=smartos type=zvol upstream=a channel=dev tag.docker:id=x published>=2024-01-01 published<2025 size<2GiB cached not-cached pinned conflict unlisted latest=2 with-origins',
  );
});

test('says what is wrong, where, and what may have been meant', () => {
  assert.deepEqual(problemsOf('os=linux  nmae=base'), [
    '"os=linux  nmae=base", character 11: unknown key "nmae"; did you mean name=base?',
  ]);
  assert.deepEqual(checkSelectors(['os=linux lastet=2']), [
    {
      selector: 'os=linux lastet=2',
      term: 'lastet=2',
      position: 9,
      message: 'unknown key "lastet"',
      suggestion: 'latest=2',
    },
  ]);
  assert.match(problemsOf('with-orgins name=x')[0] ?? '', /did you mean with-origins\?$/);
  assert.match(
    problemsOf('base-64')[0] ?? '',
    /"base-64" is no term; known are a uuid, name=.*did you mean name=\*base-64\*\?$/,
  );
  assert.match(problemsOf('base*')[0] ?? '', /did you mean name=base\*\?$/);
  assert.match(problemsOf('"two words"')[0] ?? '', /did you mean name="\*two words\*"\?$/);
  assert.match(problemsOf('name~base')[0] ?? '', /did you mean name=\*base\*\?$/);
  assert.match(problemsOf('name!=x')[0] ?? '', /unknown key "name!"; did you mean name=x\?$/);
  assert.match(problemsOf('os>linux')[0] ?? '', /os takes no ">"; = would do; did you mean os=linux\?$/);
  assert.match(problemsOf('size<2GB')[0] ?? '', /a size with its unit .* did you mean size<2GiB\?$/);
  assert.match(problemsOf('size<2048')[0] ?? '', /found "2048"; a size with its unit .* would do$/);
  assert.match(problemsOf('published>=yesterday')[0] ?? '', /a date would do, such as 2024, 2024-01/);
  assert.match(problemsOf('published=2024-02-30')[0] ?? '', /a date would do/);
  assert.match(problemsOf('latest=0')[0] ?? '', /a whole number from 1 to/);
  assert.match(problemsOf('latest=2 latest=3')[0] ?? '', /character 10: latest is there twice/);
  assert.match(problemsOf('cached=yes')[0] ?? '', /cached takes no value; did you mean cached\?$/);
  assert.match(problemsOf('name')[0] ?? '', /name needs a value; did you mean name=base-64\*\?$/);
  assert.match(problemsOf('name=')[0] ?? '', /name needs a value/);
  assert.match(problemsOf('tag.role')[0] ?? '', /did you mean tag\.role=\*\?$/);
  assert.match(problemsOf('tag.=x')[0] ?? '', /the tag has no name/);
  assert.match(problemsOf('=x')[0] ?? '', /the key is missing/);
  assert.match(problemsOf('c02a2044')[0] ?? 'none', /none/);
  assert.match(
    problemsOf('c02a204')[0] ?? '',
    /too little of a uuid; 8 digits would do; did you mean name=\*c02a204\*\?$/,
  );
  assert.match(problemsOf('c02a2044-c1bd-11e4-bd8')[0] ?? 'none', /none/);
  assert.match(problemsOf('c02a2044-c1bd-11e4-bd8c-dfc1db8b0182-00')[0] ?? '', /not of the form of a uuid/);
});

test('reports every wrong term of every selector', () => {
  const parsed = parseSelectors(['nmae=x oss=y', 'name=base', 'size<1']);
  assert.deepEqual(parsed.ok ? [] : parsed.problems.map(({ term, position }) => [term, position]), [
    ['nmae=x', 0],
    ['oss=y', 7],
    ['size<1', 0],
  ]);
});

test('refuses what would select everything by accident, and two uuids in one selector', () => {
  assert.match(problemsOf('')[0] ?? '', /^"": empty; known are/);
  assert.match(problemsOf('  ')[0] ?? '', /empty/);
  assert.match(problemsOf('with-origins')[0] ?? '', /in one selector with other terms/);
  assert.match(problemsOf('c02a2044 d03b3155')[0] ?? '', /character 10: a second uuid/);
});

test('says where quotes open that nothing closes', () => {
  assert.match(problemsOf('os=linux name="two words')[0] ?? '', /character 15: quotes open/);
  assert.deepEqual(problemsOf(String.raw`name=\"`), []);
});

test('refuses absurd lengths, and problems stay one short line', () => {
  assert.match(problemsOf('x'.repeat(MAX_SELECTOR_LENGTH + 1))[0] ?? '', /4097 characters long/);
  assert.match(problemsOf('cached '.repeat(51))[0] ?? '', /more than 50 terms/);
  for (const text of [`\u001b[31m${'y'.repeat(4000)}=\n\u202e`, `"\u001b[31m \n"`, 'y'.repeat(4000)]) {
    const [line = ''] = problemsOf(text);
    assert.ok(line.length < 1000 && !/[\p{Cc}\p{Bidi_Control}]/u.test(line), line);
  }
});

test('is not slow on patterns that are made to be slow', () => {
  const parsed = parseSelector(`name=${'*a'.repeat(2000)}b`);
  assert.ok(parsed.ok);
});
