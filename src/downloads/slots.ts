/** Bounds how many downloads one upstream runs at once. Who comes later waits in line, for a bounded time. */
import { MirrorError } from '../imgapi/errors.ts';

export interface Slots {
  /** Resolves with the function that gives the slot back. Throws `DownloadQueueFull` after the wait, or on abort. */
  take(signal: AbortSignal): Promise<() => void>;
  readonly inUse: number;
  readonly waiting: number;
}

export interface SlotsOptions {
  readonly upstream: string;
  readonly count: number;
  /** Longest wait in the queue, ms. */
  readonly waitMs: number;
  /** Most who may wait. */
  readonly maxWaiting: number;
}

export function createSlots(options: SlotsOptions): Slots {
  let inUse = 0;
  const queue: (() => void)[] = [];

  function release(): () => void {
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      // Handed over, not given back: nobody who comes now can slip in before the one who waited.
      const next = queue.shift();
      if (next === undefined) inUse -= 1;
      else next();
    };
  }

  function full(why: string): MirrorError {
    return new MirrorError('DownloadQueueFull', `upstream ${options.upstream}: ${why}`, {
      details: { upstream: options.upstream, running: inUse, waiting: queue.length },
    });
  }

  return {
    get inUse() {
      return inUse;
    },
    get waiting() {
      return queue.length;
    },
    async take(signal) {
      signal.throwIfAborted();
      if (inUse >= options.count) {
        if (queue.length >= options.maxWaiting) throw full(`${queue.length} downloads are waiting already`);
        await turn(signal);
      } else {
        inUse += 1;
      }
      return release();
    },
  };

  async function turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (error: Error): void => {
      const at = queue.indexOf(resolve);
      if (at >= 0) queue.splice(at, 1);
      reject(error);
    };
    const onAbort = (): void => giveUp(full('the download was given up while it waited'));
    const timer = setTimeout(
      () => giveUp(full(`all ${options.count} downloads were busy for ${options.waitMs / 1000} s`)),
      options.waitMs,
    );
    queue.push(resolve);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }
}
