/** What a bench hands back: figures, some with a bound, and how they are summed up and shown. PURE. */

/** One measured number. */
export interface Figure {
  /** What was measured, in words. */
  readonly name: string;
  readonly value: number;
  /** `x`, `ms`, `MB` (10^6), `GB/s`, ... */
  readonly unit: string;
  /** How many decimals are worth reading. Default 0. */
  readonly decimals?: number;
  /** Without one the figure is for information only. */
  readonly bound?: { readonly below: number } | { readonly atMost: number } | { readonly atLeast: number };
  /** The single runs, where `value` sums up several. */
  readonly runs?: readonly number[];
}

export type Verdict = 'ok' | 'over' | 'under' | '';

export function verdictOf({ value, bound }: Figure): Verdict {
  if (bound === undefined) return '';
  if ('atLeast' in bound) return value >= bound.atLeast ? 'ok' : 'under';
  const isWithin = 'below' in bound ? value < bound.below : value <= bound.atMost;
  return isWithin ? 'ok' : 'over';
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The smallest value that at least `share` (0 to 1) of all values do not exceed: the nearest-rank method. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Measured, and bound: shown right-aligned. */
const NUMBER_COLUMNS: ReadonlySet<number> = new Set([2, 3]);

/** A table for a terminal: one line per figure, columns aligned. */
export function formatTable(parts: ReadonlyMap<string, readonly Figure[]>): string {
  const rows = [...parts].flatMap(([part, figures]) => figures.map((figure) => rowOf(part, figure)));
  const header = ['part', 'figure', 'measured', 'bound', ''];
  const widths = header.map((title, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0), title.length),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        NUMBER_COLUMNS.has(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  return [header, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('\n');
}

function rowOf(part: string, figure: Figure): string[] {
  const { name, value, unit, bound } = figure;
  const shown = (n: number): string => `${n.toFixed(figure.decimals ?? 0)} ${unit}`;
  return [part, name, shown(value), boundText(bound, unit), verdictOf(figure)];
}

function boundText(bound: Figure['bound'], unit: string): string {
  if (bound === undefined) return '';
  if ('atLeast' in bound) return `>= ${bound.atLeast} ${unit}`;
  return 'below' in bound ? `< ${bound.below} ${unit}` : `<= ${bound.atMost} ${unit}`;
}
