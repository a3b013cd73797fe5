/**
 * Bounds how many downloads one upstream runs at once: those clients wait for and those of the prefetcher apart, so that
 * neither takes the other's slots. Who comes later waits in line, demand for a bounded time.
 */
import { MirrorError } from '../imgapi/errors.ts';
import { DEMAND, type Priority, type Urgency } from '../upstream/urgency.ts';

export interface Slots {
  /**
   * Resolves with the function that gives the slot back. Throws `DownloadQueueFull` after the wait, or on abort. A
   * prefetch waits until it is aborted, or until an upgrade makes it a demand; it has a demand's slot from then on.
   * `isPatient`: a demand, too, waits until it is aborted.
   */
  take(signal: AbortSignal, urgency?: Urgency, isPatient?: boolean): Promise<() => void>;
  /** Of both kinds together. */
  readonly inUse: number;
  readonly waiting: number;
}

export interface SlotsOptions {
  readonly upstream: string;
  /** Demands at one time. */
  readonly count: number;
  /** Prefetches at one time, beside them. Default 1. */
  readonly prefetchCount?: number;
  /** Longest wait of a demand in the queue, ms. */
  readonly waitMs: number;
  /** Most who may wait, of each kind. */
  readonly maxWaiting: number;
}

interface Line {
  readonly count: number;
  inUse: number;
  readonly queue: (() => void)[];
}

export function createSlots(options: SlotsOptions): Slots {
  const lines: Readonly<Record<Priority, Line>> = {
    demand: { count: options.count, inUse: 0, queue: [] },
    prefetch: { count: options.prefetchCount ?? 1, inUse: 0, queue: [] },
  };

  function full(why: string, { inUse, queue }: Line): MirrorError {
    return new MirrorError('DownloadQueueFull', `upstream ${options.upstream}: ${why}`, {
      details: { upstream: options.upstream, running: inUse, waiting: queue.length },
    });
  }

  function giveBack(it: Line): void {
    it.inUse -= 1;
    // Counted in the same turn: nobody who comes now can slip in before the one who waited.
    while (it.inUse < it.count) {
      const next = it.queue.shift();
      if (next === undefined) return;
      it.inUse += 1;
      next();
    }
  }

  /** A slot of this line was taken: the function that gives it back. */
  function held(it: Line, urgency: Urgency): () => void {
    let taken: Line | undefined = it;
    const moveOver = (): void => {
      // It runs already: it moves over even if all slots of demand are taken, and stops being in the prefetcher's way.
      if (taken === undefined || taken === lines.demand) return;
      const before = taken;
      taken = lines.demand;
      taken.inUse += 1;
      giveBack(before);
    };
    const stopListening = urgency.onUpgrade(moveOver);
    // It may have been upgraded between its turn and now.
    if (urgency.priority === 'demand') moveOver();
    return () => {
      if (taken === undefined) return;
      const last = taken;
      taken = undefined;
      stopListening();
      giveBack(last);
    };
  }

  /** Waits in the line of its priority; undefined: an upgrade has taken it out of that. */
  async function turn(urgency: Urgency, signal: AbortSignal, isPatient: boolean): Promise<Line | undefined> {
    const it = lines[urgency.priority];
    if (it.queue.length >= options.maxWaiting) throw full(`${it.queue.length} downloads are waiting already`, it);
    const { promise, resolve, reject } = Promise.withResolvers<Line | undefined>();
    const onTurn = (): void => resolve(it);
    const leave = (): boolean => {
      const at = it.queue.indexOf(onTurn);
      if (at >= 0) it.queue.splice(at, 1);
      return at >= 0;
    };
    const giveUp = (error: Error): void => {
      leave();
      reject(error);
    };
    const onAbort = (): void => giveUp(full('the download was given up while it waited', it));
    const onLate = (): void =>
      giveUp(full(`all ${options.count} downloads were busy for ${options.waitMs / 1000} s`, it));
    const timer = urgency.priority === 'demand' && !isPatient ? setTimeout(onLate, options.waitMs) : undefined;
    const stopListening = urgency.onUpgrade(() => {
      if (leave()) resolve(undefined);
    });
    it.queue.push(onTurn);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      stopListening();
      signal.removeEventListener('abort', onAbort);
    }
  }

  return {
    get inUse() {
      return lines.demand.inUse + lines.prefetch.inUse;
    },
    get waiting() {
      return lines.demand.queue.length + lines.prefetch.queue.length;
    },
    async take(signal, urgency = DEMAND, isPatient = false) {
      for (;;) {
        signal.throwIfAborted();
        const it = lines[urgency.priority];
        if (it.inUse < it.count) {
          it.inUse += 1;
          return held(it, urgency);
        }
        const taken = await turn(urgency, signal, isPatient);
        if (taken !== undefined) return held(taken, urgency);
      }
    },
  };
}
