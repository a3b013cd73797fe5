/** Parts of files as one row of bytes, gone through from its start with calls that block: for threads. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import type { FileSpan, OpenSpan } from './span-messages.ts';

interface Current {
  readonly span: FileSpan | OpenSpan;
  readonly begins: number;
  readonly descriptor: number;
}

export class SpanRow {
  readonly #spans: readonly (FileSpan | OpenSpan)[];
  readonly #flags: 'r' | 'r+';
  /** Bytes of all spans together. */
  readonly totalBytes: number;
  #current: Current | undefined;
  #next = 0;

  constructor(spans: readonly (FileSpan | OpenSpan)[], flags: 'r' | 'r+') {
    this.#spans = spans;
    this.#flags = flags;
    this.totalBytes = spans.reduce((sum, { length }) => sum + length, 0);
  }

  /** Reads up to `most` bytes from `at` on, which is never less than before. @returns how many, at least 1. */
  read(buffer: Buffer, at: number, most: number): number {
    const { descriptor, position, left } = this.#placeOf(at);
    const got = readSync(descriptor, buffer, 0, Math.min(most, left), position);
    if (got === 0) throw new Error(`the file ends at byte ${position}`);
    return got;
  }

  /** Writes up to `most` bytes of `buffer` to `at`. @returns how many, at least 1. */
  write(buffer: Buffer, at: number, most: number): number {
    const { descriptor, position, left } = this.#placeOf(at);
    return writeSync(descriptor, buffer, 0, Math.min(most, left), position);
  }

  /** Closes what it has opened itself. */
  close(): void {
    const current = this.#current;
    this.#current = undefined;
    if (current !== undefined && 'path' in current.span) closeSync(current.descriptor);
  }

  #placeOf(at: number): { readonly descriptor: number; readonly position: number; readonly left: number } {
    let current = this.#current;
    while (current === undefined || at >= current.begins + current.span.length) {
      const begins: number = current === undefined ? 0 : current.begins + current.span.length;
      this.close();
      const span = this.#spans[this.#next];
      if (span === undefined) throw new Error('the spans end early');
      this.#next += 1;
      // Opened only now: a volume may not have been begun before.
      const descriptor = 'path' in span ? openSync(span.path, this.#flags) : span.descriptor;
      current = { span, begins, descriptor };
      this.#current = current;
    }
    const { span, begins, descriptor } = current;
    return { descriptor, position: span.from + at - begins, left: begins + span.length - at };
  }
}
