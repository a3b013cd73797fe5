/** Columns for people. Everything shown is escaped: manifests come from elsewhere. */
import { escape } from '../config/problem.ts';

export interface Column<T> {
  readonly title: string;
  readonly of: (row: T) => string;
  /** Numbers. */
  readonly isRight?: boolean;
}

/** Lines without their ends: titles first, then one per row. */
export function tableLines<T>(columns: readonly Column<T>[], rows: readonly T[]): readonly string[] {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ of }) => escape(of(row))))];
  const widths = columns.map((_, at) => cells.reduce((widest, line) => Math.max(widest, line[at]?.length ?? 0), 0));
  return cells.map((line) =>
    line
      .map((cell, at) =>
        columns[at]?.isRight === true ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
