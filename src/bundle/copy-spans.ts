/** Lets a thread copy, step by step, so that what follows it is not left far behind. */
import type { SpanJob } from './span-digester.ts';

export interface CopySpansOptions {
  /** Was started with something to copy. */
  readonly copying: SpanJob;
  /** Bytes of the job. */
  readonly size: number;
  readonly signal: AbortSignal;
  /** After each step, with the end of what is copied and hashed; the thread has one more step to do meanwhile. */
  readonly onCopied: (to: number) => Promise<void>;
}

// Two turns of the thread.
const STEP_BYTES = 16 * 1024 * 1024;

/** @throws what the job was rejected with; the signal's reason, while the thread may be at work still */
export async function copySpans({ copying, size, signal, onCopied }: CopySpansOptions): Promise<void> {
  for (let at = 0; at < size;) {
    signal.throwIfAborted();
    const to = Math.min(size, at + STEP_BYTES);
    const allowed = Math.min(size, to + STEP_BYTES);
    copying.advance(allowed);
    await copying.untilBehindBy(allowed - to);
    // It has ended before: this tells why.
    if (copying.doneBytes < to) await copying.digests;
    await onCopied(to);
    at = to;
  }
}
