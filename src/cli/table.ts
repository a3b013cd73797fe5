/** Columns for people. Everything shown is escaped: manifests come from elsewhere. */
import { escape } from '../config/problem.ts';
import type { Output } from './io.ts';

export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => string;
  /** Numbers. */
  readonly isRight?: boolean;
  /** What others write without bounds: cut where a terminal's lines are too short for all. */
  readonly isCut?: boolean;
}

/**
 * One long cell must not widen every line. In a pipe, where nothing is cut, a longer cell stands out of its column; on a terminal whose
 * lines are too short for a row, it is cut to this.
 */
const MAX_PADDED = 40;
/** No column is cut to less. */
const MIN_CUT = 12;
const GAP = 2;
/** Some terminals say that they are of no width. */
const MIN_LINE = 20;

/** Lines without their ends: titles first, then one per row. On a terminal they are cut to its width; elsewhere nothing is. */
export function tableLines<T>(
  columns: readonly Column<T>[],
  rows: readonly T[],
  output: Pick<Output, 'isTerminal' | 'columns'> = { isTerminal: false },
): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ of }) => escape(of(row))))];
  const widest = columns.map((_, at) => cells.reduce((most, line) => Math.max(most, line[at]?.length ?? 0), 0));
  const widths = output.isTerminal
    ? fitted(widest, columns, Math.max(MIN_LINE, output.columns ?? 80))
    : widest.map((width) => Math.min(width, MAX_PADDED));
  const shown = (cell: string, at: number): string => {
    const width = widths[at] ?? 0;
    if (output.isTerminal && cell.length > width) return `${cell.slice(0, width - 1)}~`;
    return columns[at]?.isRight === true ? cell.padStart(width) : cell.padEnd(width);
  };
  return cells.map((line) => line.map(shown).join(' '.repeat(GAP)).trimEnd());
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width + GAP, -GAP);
}

/** The widths at which a line takes as few lines of the terminal as it can: the widest that may be cut is cut first. */
function fitted(widest: readonly number[], columns: readonly Column<never>[], lineWidth: number): readonly number[] {
  const least = widest.map((width, at) => (columns[at]?.isCut === true ? Math.min(width, MIN_CUT) : width));
  const lines = Math.ceil(total(least) / lineWidth);
  const room = lineWidth * lines;
  const longest = lines === 1 ? room : MAX_PADDED;
  const widths = widest.map((width, at) => Math.min(width, Math.max(least[at] ?? 0, longest)));
  for (let over = total(widths) - room; over > 0; over -= 1) {
    const most = Math.max(...widths.filter((width, at) => width > (least[at] ?? 0)));
    const at = widths.findIndex((width, index) => width === most && width > (least[index] ?? 0));
    widths[at] = most - 1;
  }
  return widths;
}
