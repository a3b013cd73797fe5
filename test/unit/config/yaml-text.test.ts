import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseYaml } from '../../../src/config/yaml-text.ts';

function messageOf(text: string): string {
  const result = parseYaml(text);
  return result.ok
    ? `parsed ${JSON.stringify(result.value)}`
    : result.problems.map((p) => `${p.line}:${p.column} ${p.message}`).join('; ');
}

test('gives the value, and the line of every key', () => {
  const result = parseYaml('a: 1\nb:\n  - c: 2\n\n    d: 3\n  - e: 4\n');
  assert.ok(result.ok);
  assert.deepEqual(result.value, { a: 1, b: [{ c: 2, d: 3 }, { e: 4 }] });
  assert.equal(result.lineOf(['a']), 1);
  assert.equal(result.lineOf(['b']), 2);
  assert.equal(result.lineOf(['b', 0, 'd']), 5);
  assert.equal(result.lineOf(['b', 1]), 6);
});

test('gives the line of the nearest key above one that is not there', () => {
  const result = parseYaml('a: 1\nb:\n  - c: 2\n');
  assert.ok(result.ok);
  assert.equal(result.lineOf(['b', 0, 'url']), 3);
  assert.equal(result.lineOf(['x', 'y']), undefined);
});

test('finds lines behind an alias', () => {
  const result = parseYaml('a: &x\n  - b: 1\nc: *x\n');
  assert.ok(result.ok);
  assert.equal(result.lineOf(['c', 0, 'b']), 2);
});

test('takes a text of nothing but comments as nothing', () => {
  const result = parseYaml('# all at its default\n');
  assert.ok(result.ok);
  assert.equal(result.value, null);
});

test('tells of a syntax error once, in one line, with its place', () => {
  assert.match(messageOf('a: [1\nb: 2'), /^2:1 [^\n;]+$/);
  assert.match(messageOf('a:\n\t- b\n'), /^2:1 Tabs are not allowed as indentation$/);
});

test('tells of every key that is there twice, at any depth', () => {
  assert.equal(
    messageOf('a: 1\nb: {c: 1, c: 2}\na: 2\n'),
    '3:1 the key "a" is there twice, first on line 1; 2:11 the key "c" is there twice, first on line 2',
  );
});

test('refuses two documents, unknown tags, unknown aliases and keys that are no text', () => {
  assert.match(messageOf('a: 1\n---\nb: 2\n'), /^2:1 more than one document/);
  assert.match(messageOf('a: !secret x\n'), /^1:4 Unresolved tag: !secret/);
  assert.match(messageOf('a: *b\n'), /^1:1 Unresolved alias/);
  assert.match(messageOf('? [1, 2]\n: 3\n'), /must be strings/);
});

test('refuses aliases that multiply', () => {
  const levels = Array.from(
    'bcdefghi',
    (name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[index]}`).join(', ')}]`,
  );
  assert.match(messageOf(`a: &a [x, x, x, x, x, x, x, x, x]\n${levels.join('\n')}\n`), /Excessive alias count/);
});

test('survives nesting deeper than the stack', () => {
  assert.match(messageOf('['.repeat(20_000)), /^1:\d+ /);
});

test('takes tens of thousands of keys without comparing each with all', () => {
  // With the library's own check for duplicates, 60,000 keys took 91 s.
  const result = parseYaml(Array.from({ length: 20_000 }, (_, index) => `k${index}: 1`).join('\n'));
  assert.ok(result.ok);
});

test('keeps a key called __proto__ an ordinary key', () => {
  const result = parseYaml('__proto__: {polluted: true}\n');
  assert.ok(result.ok);
  assert.equal(Object.getPrototypeOf(result.value), Object.prototype);
});
