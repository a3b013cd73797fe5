import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableLines, type Column } from '../../../src/cli/table.ts';

interface Row {
  readonly name: string;
  readonly size: string;
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NAME', of: ({ name }) => name },
  { title: 'SIZE', of: ({ size }) => size, isRight: true },
  { title: 'NOTE', of: () => '' },
];

test('columns are as wide as their widest cell, numbers stand to the right, and no line ends in blanks', () => {
  const lines = tableLines(COLUMNS, [
    { name: 'a', size: '12345' },
    { name: 'longer', size: '1' },
  ]);
  assert.deepEqual(lines, ['NAME     SIZE  NOTE', 'a       12345', 'longer      1']);
});

test('without rows there are the titles', () => {
  assert.deepEqual(tableLines(COLUMNS, []), ['NAME  SIZE  NOTE']);
});

test('what a manifest holds can neither break a line nor move the cursor', () => {
  const [, line] = tableLines(COLUMNS, [{ name: 'a\n\u001B[2Jb', size: '1' }]);
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  assert.doesNotMatch(line ?? '', /[\u0000-\u001F]/);
  assert.match(line ?? '', /a.*\[2Jb/);
});
