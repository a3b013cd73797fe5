/**
 * Hashing for bundles, off the event loop. It differs from the digester of the downloads in what it hashes (a part of a file,
 * or parts of several, with chosen algorithms, so that two threads share one stream) and in that it can be waited for:
 * copying is faster than hashing, and what is not hashed soon must be read from the disk again.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { MirrorError } from '../imgapi/errors.ts';
import type { Algorithm, CopySource, FileSpan, SpanDigests, SpanReply, SpanRequest } from './span-messages.ts';

export type { SpanDigests } from './span-messages.ts';

/** The hashing of some bytes. Ends by its digests, its failure or `cancel`. */
export interface SpanJob {
  /** The first `upTo` bytes of all spans together are there, or may be copied there. */
  advance(upTo: number): void;
  /** Bytes that are hashed, as far as the thread has told. */
  readonly doneBytes: number;
  /** Resolves when no more than `bytes` of what is there wait to be hashed, or when the job has ended in any way. */
  untilBehindBy(bytes: number): Promise<void>;
  /**
   * Resolves when all is hashed.
   * @throws MirrorError InternalError if cancelled, on an error of reading or writing, if a file is too short, if the thread died.
   */
  readonly digests: Promise<SpanDigests>;
  /** Gives up. Resolves when the thread has let go of the files; never rejects. After the end it does nothing. */
  cancel(): Promise<void>;
}

export interface SpanDigester {
  /** With `copy` the bytes are copied to the spans before they are hashed; the files of the spans are there, if empty. */
  start(spans: readonly FileSpan[], algorithms: readonly Algorithm[], copy?: CopySource): SpanJob;
  /** Cancels what runs and ends the threads. */
  close(): Promise<void>;
}

// The thread runs from the same kind of file as this module: .ts in a checkout, .js when built.
const WORKER_FILE = new URL(import.meta.url.endsWith('.ts') ? './span-worker.ts' : './span-worker.js', import.meta.url);

/** `threads`: default 2, or 1 on a machine with one core. They start when needed. */
export function createSpanDigester(options: { readonly threads?: number } = {}): SpanDigester {
  const threads = Math.max(1, options.threads ?? Math.min(2, availableParallelism()));
  const running = new Set<SpanThread>();
  let isClosed = false;
  return {
    start(spans, algorithms, copy) {
      if (isClosed) throw new MirrorError('ShuttingDown', 'the digester is closed');
      let best: SpanThread | undefined;
      for (const thread of running) if (best === undefined || thread.load < best.load) best = thread;
      if (best === undefined || (best.load > 0 && running.size < threads)) {
        const thread = new SpanThread(() => running.delete(thread));
        running.add(thread);
        best = thread;
      }
      return best.start(spans, algorithms, copy);
    },
    async close() {
      isClosed = true;
      await Promise.all(Array.from(running, async (thread) => thread.close()));
    },
  };
}

interface PendingJob {
  /** How many things it does to each byte: an MD5 costs more than the others, but never is together with them. */
  readonly load: number;
  onAt(at: number): void;
  end(outcome: { readonly digests: SpanDigests } | { readonly error: MirrorError }): void;
}

class SpanThread {
  readonly #worker: Worker;
  readonly #onDeath: () => void;
  readonly #pending = new Map<number, PendingJob>();
  /** Jobs that were cancelled, which the thread may be at work on still. */
  readonly #cancelled = new Map<number, () => void>();
  #nextId = 1;

  constructor(onDeath: () => void) {
    this.#onDeath = onDeath;
    // Without the flags this process was started with (--test, --inspect): they are not meant for the thread.
    this.#worker = new Worker(WORKER_FILE, { name: 'bundle-digest', execArgv: [] });
    this.#worker.unref();
    this.#worker.on('message', (reply: SpanReply) => {
      if ('isCancelled' in reply) return this.#letGo(reply.id);
      const job = this.#pending.get(reply.id);
      // An answer that crossed a cancel on its way.
      if (job === undefined) return;
      if ('at' in reply) job.onAt(reply.at);
      else this.#end(reply.id, 'digests' in reply ? reply : { error: failure(reply.error, { errno: reply.errno }) });
    });
    this.#worker.on('error', (cause) => this.#die(failure('a thread failed', { cause })));
    this.#worker.on('exit', (exitCode) => {
      this.#die(failure('the thread ended', { exitCode }));
      for (const id of this.#cancelled.keys()) this.#letGo(id);
    });
  }

  get load(): number {
    let sum = 0;
    for (const { load } of this.#pending.values()) sum += load;
    return sum;
  }

  start(spans: readonly FileSpan[], algorithms: readonly Algorithm[], copy: CopySource | undefined): SpanJob {
    const id = this.#nextId;
    this.#nextId += 1;
    const digests = Promise.withResolvers<SpanDigests>();
    // Who gives up a job may never look at it.
    digests.promise.catch(() => {});
    let known = 0;
    let at = 0;
    let isOver = false;
    let waiters: { readonly bytes: number; readonly resolve: () => void }[] = [];
    const wake = (): void => {
      const behind = isOver ? 0 : known - at;
      for (const waiter of waiters) if (behind <= waiter.bytes) waiter.resolve();
      waiters = waiters.filter((waiter) => behind > waiter.bytes);
    };
    this.#pending.set(id, {
      load: algorithms.length + (copy === undefined ? 0 : 1),
      onAt(now) {
        at = now;
        wake();
      },
      end(outcome) {
        isOver = true;
        if ('digests' in outcome) {
          at = known;
          digests.resolve(outcome.digests);
        } else {
          digests.reject(outcome.error);
        }
        wake();
      },
    });
    // It holds the process open only while it has work.
    if (this.#pending.size === 1) this.#worker.ref();
    this.#post({ type: 'start', id, spans, algorithms, copy });
    return {
      digests: digests.promise,
      get doneBytes() {
        return at;
      },
      advance: (upTo) => {
        if (isOver || upTo <= known) return;
        known = upTo;
        this.#post({ type: 'advance', id, upTo });
      },
      async untilBehindBy(bytes) {
        if (isOver || known - at <= bytes) return;
        await new Promise<void>((resolve) => {
          waiters.push({ bytes, resolve });
        });
      },
      cancel: async () => {
        if (isOver) return;
        const letGo = new Promise<void>((resolve) => {
          this.#cancelled.set(id, resolve);
        });
        this.#post({ type: 'cancel', id });
        this.#end(id, { error: failure('cancelled', {}) });
        await letGo;
      },
    };
  }

  async close(): Promise<void> {
    this.#die(failure('the digester was closed', {}));
    await this.#worker.terminate();
  }

  #post(request: SpanRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a browser's window
    this.#worker.postMessage(request);
  }

  #end(id: number, outcome: Parameters<PendingJob['end']>[0]): void {
    const job = this.#pending.get(id);
    this.#pending.delete(id);
    this.#unrefIfIdle();
    job?.end(outcome);
  }

  #letGo(id: number): void {
    this.#cancelled.get(id)?.();
    this.#cancelled.delete(id);
    this.#unrefIfIdle();
  }

  #unrefIfIdle(): void {
    if (this.#pending.size + this.#cancelled.size === 0) this.#worker.unref();
  }

  #die(error: MirrorError): void {
    this.#onDeath();
    for (const id of this.#pending.keys()) this.#end(id, { error });
  }
}

function failure(reason: string, details: Readonly<Record<string, unknown>>): MirrorError {
  return new MirrorError('InternalError', `a file could not be copied or hashed: ${reason}`, { details });
}
