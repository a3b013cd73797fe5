import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barLine, createBars, type Bar, type Bars } from '../../../src/cli/bars.ts';

interface Screen {
  readonly bars: Bars;
  /** What was written since the last call. */
  readonly take: () => string;
  readonly pass: (ms: number) => void;
}

function screen(isTerminal: boolean, columns?: number): Screen {
  let [written, nowMs] = ['', 0];
  const output = {
    isTerminal,
    ...(columns === undefined ? {} : { columns }),
    write: (text: string) => void (written += text),
  };
  return {
    bars: createBars(output, () => nowMs),
    pass: (ms) => void (nowMs += ms),
    take() {
      const taken = written;
      written = '';
      return taken;
    },
  };
}

const bar = (label: string, done: number, total = 100): Bar => ({ label, done, total });

test('a bar says what, how much and of how much', () => {
  assert.equal(barLine(bar('base', 512, 2048), 8), 'base     [######------------------]  25%  512B of 2KiB');
  const noted = barLine({ ...bar('much too long', 0), note: '2 of 3 files' }, 8);
  assert.equal(noted, 'much to~ [------------------------]   0%  0B of 100B  2 of 3 files');
});

test('a bar is full at the end, beyond it, and where there is nothing to do', () => {
  for (const [done, total] of [
    [100, 100],
    [130, 100],
    [0, 0],
  ] as const)
    assert.match(barLine(bar('x', done, total), 4), /\[#{24}\] 100%/, `${done} of ${total}`);
});

test('a file’s name cannot move the cursor', () => {
  // oxlint-disable-next-line no-control-regex -- these are what must not be there
  assert.doesNotMatch(barLine({ ...bar('a\u001B[2J\n', 1), note: '\u0007' }, 20), /[\u0000-\u001F\u007F]/);
});

test('on a terminal the bars are drawn over the ones before, at most ten times a second', () => {
  const { bars, take, pass } = screen(true);
  bars.show([bar('one', 1), bar('in all', 1)]);
  assert.equal(take().split('\n').length, 3);
  pass(50);
  bars.show([bar('one', 2), bar('in all', 2)]);
  assert.equal(take(), '');
  pass(50);
  bars.show([bar('in all', 3)]);
  assert.ok(take().startsWith('\u001B[2A\u001B[J'), 'two lines up');
  bars.line('one is done');
  assert.equal(take(), '\u001B[1A\u001B[Jone is done\n');
  bars.show([bar('in all', 4)]);
  assert.ok(!take().includes('\u001B'), 'the line stays');
  bars.end();
  assert.equal(take(), '\u001B[1A\u001B[J');
  bars.end();
  assert.equal(take(), '', 'nothing is left to remove');
});

test('no drawn line is wider than the terminal, and with many files the last ones are a number', () => {
  const { bars, take } = screen(true, 60);
  bars.show([...Array.from({ length: 40 }, (_, at) => bar(`file ${at}`, at)), bar('in all', 7)]);
  const lines = take().trimEnd().split('\n');
  assert.equal(lines.length, 12);
  assert.ok(lines.every((line) => line.length < 60));
  assert.match(lines[0] ?? '', /^file 0 /);
  assert.equal(lines[10], 'and 30 more');
  assert.match(lines[11] ?? '', /^in all/);
});

test('elsewhere there is a line about the whole every ten seconds', () => {
  const { bars, take, pass } = screen(false);
  bars.show([bar('one', 1), bar('in all', 1)]);
  assert.equal(take(), '', 'a short run says nothing');
  pass(10_000);
  bars.show([bar('one', 1), { ...bar('in all', 50), note: '1 of 2 files' }]);
  assert.equal(take(), 'in all:  50%  50B of 100B, 1 of 2 files\n');
  bars.show([bar('in all', 60)]);
  assert.equal(take(), '');
  bars.line('one is done');
  bars.end();
  assert.equal(take(), 'one is done\n');
});
