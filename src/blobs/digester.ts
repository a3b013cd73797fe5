/**
 * Hashing off the event loop: worker threads follow growing files and have the digests ready soon after the last byte.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { MirrorError } from '../imgapi/errors.ts';
import type { DigestReply, DigestRequest, Digests } from './digest-messages.ts';

export type { Digests } from './digest-messages.ts';

/** The hashing of one growing file. Must end by `finish` or `cancel`, else its descriptor stays open in the thread. */
export interface DigestJob {
  /** Bytes [0, upTo) are written and will not change. Cheap: only every mebibyte is passed on. */
  advance(upTo: number): void;
  /**
   * The file is whole, `size` bytes. The file may be renamed or removed once this has resolved, not before.
   * @throws MirrorError InternalError if cancelled, on a read error, if the file is shorter or was advanced beyond `size`,
   * if the thread died.
   */
  finish(size: number): Promise<Digests>;
  /** Gives up; a `finish` that waits is rejected. After the end it does nothing. */
  cancel(): void;
}

/** The hashing of a file whose reader wants to know how far it has come. */
export interface WatchedDigestJob extends DigestJob {
  /**
   * Resolves when the bytes up to `upTo`, which `advance` has passed on, have been read. One at a time.
   * @throws MirrorError InternalError as `finish` does.
   */
  hashed(upTo: number): Promise<void>;
}

export interface Digester {
  /** Begins hashing the file at `path`, which exists. An error in opening it is reported by `finish`. */
  start(path: string): DigestJob;
  /** Cancels what runs and ends the threads. */
  close(): Promise<void>;
}

export interface WatchingDigester extends Digester {
  /** As `start`, at the cost of a message for every piece. */
  watch(path: string): WatchedDigestJob;
}

export interface DigesterDeps {
  /** Starts the thread; tests put themselves in between. */
  readonly spawn?: (file: URL) => Worker;
}

export interface DigesterOptions {
  /** How many threads at most; they start when needed. Default: 2, or 1 on a machine with one core. */
  readonly threads?: number;
}

// The thread runs from the same kind of file as this module: .ts in a checkout, .js when built.
const WORKER_FILE = new URL(
  import.meta.url.endsWith('.ts') ? './digest-worker.ts' : './digest-worker.js',
  import.meta.url,
);
// How often a thread hears of progress. At 1 GB/s that is 1,000 messages a second, about 5 ms of the event loop's time.
const ADVANCE_BYTES = 1024 * 1024;

export function createDigester(options: DigesterOptions = {}, deps: DigesterDeps = {}): WatchingDigester {
  const threads = Math.max(1, options.threads ?? Math.min(2, availableParallelism()));
  const spawn = deps.spawn ?? spawnWorker;
  const running = new Set<DigestThread>();
  let isClosed = false;

  const leastBusy = (): DigestThread => {
    let best: DigestThread | undefined;
    for (const thread of running) if (best === undefined || thread.jobs < best.jobs) best = thread;
    if (best !== undefined && (best.jobs === 0 || running.size >= threads)) return best;
    // A thread that dies leaves the set, so that the next job starts another in its place.
    const thread = new DigestThread(spawn(WORKER_FILE), () => running.delete(thread));
    running.add(thread);
    return thread;
  };

  const start = (path: string, isWatched: boolean): WatchedDigestJob => {
    if (isClosed) throw new MirrorError('ShuttingDown', 'the digester is closed');
    return leastBusy().start(path, isWatched);
  };

  return {
    start: (path) => start(path, false),
    watch: (path) => start(path, true),
    async close() {
      isClosed = true;
      await Promise.all(Array.from(running, (thread) => thread.close()));
    },
  };
}

function spawnWorker(file: URL): Worker {
  // Without the flags this process was started with (--test, --inspect): they are not meant for the thread.
  return new Worker(file, { name: 'digest', execArgv: [] });
}

type Outcome = { readonly digests: Digests } | { readonly error: MirrorError };

interface PendingJob {
  onHashed(upTo: number): void;
  settle(outcome: Outcome): void;
}

class DigestThread {
  readonly #worker: Worker;
  readonly #onDeath: () => void;
  readonly #pending = new Map<number, PendingJob>();
  #nextId = 1;
  #awaited = 0;

  constructor(worker: Worker, onDeath: () => void) {
    this.#worker = worker;
    this.#onDeath = onDeath;
    worker.unref();
    worker.on('message', (reply: DigestReply) => {
      if ('hashedTo' in reply) return this.#pending.get(reply.id)?.onHashed(reply.hashedTo);
      const outcome = 'digests' in reply ? reply : { error: failure(reply.error, { errno: reply.errno }) };
      return this.#settle(reply.id, outcome);
    });
    // 'error' is followed by 'exit', but only it knows the reason.
    worker.on('error', (cause) => this.#die(new MirrorError('InternalError', 'a hashing thread failed', { cause })));
    worker.on('exit', (exitCode) => this.#die(failure('the hashing thread ended', { exitCode })));
  }

  get jobs(): number {
    return this.#pending.size;
  }

  start(path: string, isWatched: boolean): WatchedDigestJob {
    const id = this.#nextId;
    this.#nextId += 1;
    let posted = 0;
    let outcome: Outcome | undefined;
    let waiter: PromiseWithResolvers<Digests> | undefined;
    let hashedTo = 0;
    let watcher: (PromiseWithResolvers<void> & { readonly upTo: number }) | undefined;
    const settleWatcher = (): void => {
      if (watcher === undefined || (outcome === undefined && hashedTo < watcher.upTo)) return;
      this.#await(-1);
      if (outcome !== undefined && 'error' in outcome) watcher.reject(outcome.error);
      else watcher.resolve();
      watcher = undefined;
    };
    const onHashed = (upTo: number): void => {
      hashedTo = upTo;
      settleWatcher();
    };
    const settle = (how: Outcome): void => {
      outcome = how;
      settleWatcher();
      if (waiter === undefined) return;
      this.#await(-1);
      answer(waiter, how);
    };
    this.#pending.set(id, { onHashed, settle });
    this.#post({ type: 'start', id, path, isWatched });
    return {
      advance: (upTo) => {
        if (outcome !== undefined || upTo - posted < ADVANCE_BYTES) return;
        posted = upTo;
        this.#post({ type: 'advance', id, upTo });
      },
      hashed: (upTo) => {
        const watching = { ...Promise.withResolvers<void>(), upTo };
        watcher = watching;
        this.#await(1);
        settleWatcher();
        return watching.promise;
      },
      finish: (size) => {
        if (waiter !== undefined) return waiter.promise;
        waiter = Promise.withResolvers<Digests>();
        if (outcome === undefined) {
          this.#await(1);
          this.#post({ type: 'finish', id, size });
        } else {
          answer(waiter, outcome);
        }
        return waiter.promise;
      },
      cancel: () => {
        if (outcome !== undefined) return;
        this.#post({ type: 'cancel', id });
        this.#settle(id, { error: failure('cancelled', { path }) });
      },
    };
  }

  async close(): Promise<void> {
    this.#die(failure('the digester was closed', {}));
    await this.#worker.terminate();
  }

  #post(request: DigestRequest): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port, not a browser's window
    this.#worker.postMessage(request);
  }

  /** A thread holds the process open only while somebody waits for its answer. */
  #await(change: 1 | -1): void {
    this.#awaited += change;
    if (this.#awaited > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  #settle(id: number, outcome: Outcome): void {
    const job = this.#pending.get(id);
    // An answer that crossed a cancel on its way.
    if (job === undefined) return;
    this.#pending.delete(id);
    job.settle(outcome);
  }

  #die(error: MirrorError): void {
    this.#onDeath();
    for (const id of this.#pending.keys()) this.#settle(id, { error });
  }
}

function answer(waiter: PromiseWithResolvers<Digests>, outcome: Outcome): void {
  if ('digests' in outcome) waiter.resolve(outcome.digests);
  else waiter.reject(outcome.error);
}

function failure(reason: string, details: Readonly<Record<string, unknown>>): MirrorError {
  return new MirrorError('InternalError', `the file could not be hashed: ${reason}`, { details });
}
