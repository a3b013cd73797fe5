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

const LONG: readonly Row[] = [
  { name: 'x'.repeat(220), size: '12345' },
  { name: 'short', size: '1' },
];

test('a cell that is very long widens no other line, and in a pipe nothing is cut', () => {
  const [title, long, short] = tableLines(COLUMNS, LONG);
  assert.equal(title?.length, 40 + 2 + 'SIZE'.length + 2 + 'NOTE'.length + 1);
  assert.equal(long, `${'x'.repeat(220)}  12345`);
  assert.equal(short, `${'short'.padEnd(40)}      1`);
});

test('on a terminal what may be cut is, to the width of a line and not below a bound', () => {
  const columns = COLUMNS.map((column) => Object.assign({ isCut: column.title === 'NAME' }, column));
  const at = (width: number): readonly string[] => tableLines(columns, LONG, { isTerminal: true, columns: width });
  assert.deepEqual(
    at(60).map((line) => line.length),
    [60, 54, 54],
  );
  assert.match(at(60)[1] ?? '', /^x{46}~ {2}12345$/);
  assert.equal(at(300)[1], `${'x'.repeat(220)}  12345`, 'what fits is not cut');
  // 12 and what cannot be cut take two lines of 20: there is no use in cutting to less than fills these.
  assert.equal(at(20)[0]?.length, 40);
  assert.deepEqual(at(0), at(20));
});

test('on a terminal too narrow for a row a long cell is cut as if it were in a pipe, not to whole lines of the terminal', () => {
  const columns: readonly Column<Row>[] = [
    { title: 'UUID', of: () => 'u'.repeat(36) },
    { title: 'NAME', of: ({ name }) => name, isCut: true },
    { title: 'REST', of: () => 'r'.repeat(60) },
  ];
  const [, long] = tableLines(columns, LONG, { isTerminal: true, columns: 79 });
  assert.equal(long, `${'u'.repeat(36)}  ${'x'.repeat(39)}~  ${'r'.repeat(60)}`);
});
