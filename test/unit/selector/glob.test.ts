import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGlob, literalPart } from '../../../src/selector/glob.ts';

test('matches whole texts, by stars, question marks and backslashes', () => {
  const cases: [string, string, boolean][] = [
    ['base', 'base', true],
    ['base', 'base-64', false],
    ['base*', 'base', true],
    ['*64*', 'base-64-lts', true],
    ['*-*-lts', 'base-64-lts', true],
    ['b?se', 'base', true],
    ['b?se', 'bse', false],
    ['*', '', true],
    ['?', '', false],
    ['a*b*c', 'abcbc', true],
    ['a*b*c', 'abcb', false],
    [String.raw`a\*b`, 'a*b', true],
    [String.raw`a\*b`, 'axb', false],
    [String.raw`a*\?`, 'what?', false],
    [String.raw`w*\?`, 'what?', true],
    ['a.c', 'abc', false],
    ['[ab]', 'a', false],
  ];
  for (const [pattern, text, isOf] of cases) assert.equal(createGlob(pattern)(text), isOf, `${pattern} ${text}`);
});

test('a text that a regular expression would take for ever on costs its length times the pattern’s', () => {
  assert.equal(createGlob(`${'*a'.repeat(1000)}b`)('a'.repeat(2000)), false);
});

test('leaves the characters that stand for themselves', () => {
  assert.equal(literalPart(String.raw`*base-\*?64*`), 'base-*64');
});
