/** What every part of the bench is given, and what it gives back. */
import type { Figure } from './figures.ts';

export interface BenchContext {
  /** An empty directory of the part's own; removed after it. */
  readonly dir: string;
  /** Aborts when the bench is interrupted or the part has taken too long: every wait ends then. */
  readonly signal: AbortSignal;
  /** One line for whoever waits. */
  readonly progress: (text: string) => void;
}

/** Measures one thing. Rejects if it could not be measured or if bytes were wrong; a slow mirror is a figure, not an error. */
export type BenchPart = (context: BenchContext) => Promise<readonly Figure[]>;

/** The bytes that came are not the bytes that were due. */
export class WrongBytesError extends Error {
  override readonly name = 'WrongBytesError';
}
