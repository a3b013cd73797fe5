/**
 * Progress: bars that move on a terminal, now and then a line elsewhere. On a terminal the lowest lines are drawn anew; what is to stay
 * is written above them.
 */
import { escape } from '../config/problem.ts';
import { roughSize } from '../config/units.ts';
import type { Output } from './io.ts';

export interface Bar {
  readonly label: string;
  /** Bytes. */
  readonly done: number;
  readonly total: number;
  /** Shown behind the numbers. */
  readonly note?: string;
}

export interface Bars {
  /** All that is under way now; the last one stands for the whole. Drawn at most ten times a second, without a terminal every 10 s. */
  show(bars: readonly Bar[]): void;
  /** A line that stays. */
  line(text: string): void;
  /** Removes what moves. */
  end(): void;
}

const DRAW_EVERY_MS = 100;
const LINE_EVERY_MS = 10_000;
/** More bars than this are a sum. */
const MAX_BARS = 12;
const BAR_WIDTH = 24;
/** Of `[` and `] 100%  999.9MiB of 999.9MiB  `. */
const NUMBERS_WIDTH = 34;

export function createBars(output: Output, monotonicNow: () => number): Bars {
  return output.isTerminal ? movingBars(output, monotonicNow) : plainLines(output, monotonicNow);
}

function movingBars(output: Output, monotonicNow: () => number): Bars {
  let drawn = 0;
  let drawnAtMs = Number.NEGATIVE_INFINITY;
  const clear = (): string => (drawn === 0 ? '' : `\u001B[${drawn}A\u001B[J`);
  return {
    show(bars) {
      if (monotonicNow() - drawnAtMs < DRAW_EVERY_MS) return;
      drawnAtMs = monotonicNow();
      const shown = bars.length <= MAX_BARS ? bars : [...bars.slice(0, MAX_BARS - 2), ...bars.slice(-1)];
      const hidden = bars.length - shown.length;
      const width = Math.max(20, (output.columns ?? 80) - 1);
      const longest = (of: (bar: Bar) => string): number => Math.max(0, ...shown.map((bar) => escape(of(bar)).length));
      const labelWidth = width - BAR_WIDTH - NUMBERS_WIDTH - longest(({ note = '' }) => note);
      const lines = shown.map((bar) =>
        barLine(
          bar,
          Math.max(
            12,
            Math.min(
              labelWidth,
              longest(({ label }) => label),
            ),
          ),
        ).slice(0, width),
      );
      if (hidden > 0) lines.splice(-1, 0, `and ${hidden} more`);
      output.write(`${clear()}${lines.map((line) => `${line}\n`).join('')}`);
      drawn = lines.length;
    },
    line(text) {
      output.write(`${clear()}${escape(text)}\n`);
      drawn = 0;
      drawnAtMs = Number.NEGATIVE_INFINITY;
    },
    end() {
      output.write(clear());
      drawn = 0;
    },
  };
}

function plainLines(output: Output, monotonicNow: () => number): Bars {
  let saidAtMs = monotonicNow();
  return {
    show(bars) {
      const whole = bars.at(-1);
      if (whole === undefined || monotonicNow() - saidAtMs < LINE_EVERY_MS) return;
      saidAtMs = monotonicNow();
      const { label, done, total, note } = whole;
      output.write(`${escape(label)}: ${numbersOf(done, total)}${note === undefined ? '' : `, ${escape(note)}`}\n`);
    },
    line: (text) => output.write(`${escape(text)}\n`),
    end() {},
  };
}

/** One line, such as `base-64 21.4   [#######-----]  58%  120MiB of 208MiB`. */
export function barLine({ label, done, total, note }: Bar, labelWidth: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.floor(share * BAR_WIDTH);
  const name = escape(label);
  const cut = name.length > labelWidth ? `${name.slice(0, labelWidth - 1)}~` : name.padEnd(labelWidth);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}]`;
  return `${cut} ${bar} ${numbersOf(done, total)}${note === undefined ? '' : `  ${escape(note)}`}`;
}

function numbersOf(done: number, total: number): string {
  const percent = total === 0 ? 100 : Math.min(100, Math.floor((done / total) * 100));
  return `${String(percent).padStart(3)}%  ${roughSize(done)} of ${roughSize(total)}`;
}
