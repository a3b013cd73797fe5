/**
 * How an upstream has been doing lately, its lists (with look-ups and icons) and its files apart. Bad health changes the
 * order in which upstreams are asked and how many ask at once, never whether the only one that could answer is asked.
 */
import { MirrorError } from '../imgapi/errors.ts';
import { createBreaker, type Breaker, type BreakerDeps, type BreakerOptions, type BreakerState } from './breaker.ts';
import { reasonOf, unavailable } from './unavailable.ts';

/** What is counted apart: `list` is everything small, look-ups included. */
export type HealthKind = 'list' | 'file';

/** Every kind, for priming metrics. */
export const HEALTH_KINDS: readonly HealthKind[] = ['list', 'file'];

/** `ok`: it answered, with whatever status below 500. `failed`: no connection, a timeout, a 5xx. */
export type HealthOutcome = 'ok' | 'failed';

export interface UpstreamHealth {
  /** True: ask the others first. */
  isTripped(kind: HealthKind): boolean;
  /** True: tripped, its cool-down over, and nobody is trying: worth one request that nobody waits for. */
  isProbeDue(kind: HealthKind): boolean;
  report(kind: HealthKind, outcome: HealthOutcome): void;
  /**
   * Runs `ask`; of a tripped upstream as its one probe. Who comes while a probe runs waits for its end (or the signal):
   * if it went well `ask` runs then, otherwise it is rejected as the probe was, without a request of its own.
   */
  ask<T>(kind: HealthKind, signal: AbortSignal, ask: () => Promise<T>): Promise<T>;
  state(kind: HealthKind): BreakerState;
}

export interface UpstreamHealthDeps extends Omit<BreakerDeps, 'onTransition'> {
  readonly onTransition: (kind: HealthKind, to: 'open' | 'closed') => void;
}

export interface UpstreamHealthOptions extends BreakerOptions {
  /** The upstream's name, for errors. */
  readonly name: string;
}

interface Probe {
  /** Settles, never rejects, when it is over. */
  readonly ended: Promise<void>;
  error: unknown;
}

interface Watched {
  readonly breaker: Breaker;
  probe: Probe | undefined;
}

export function createUpstreamHealth(deps: UpstreamHealthDeps, options: UpstreamHealthOptions): UpstreamHealth {
  const watch = (kind: HealthKind): Watched => ({
    breaker: createBreaker({ ...deps, onTransition: (to) => deps.onTransition(kind, to) }, options),
    probe: undefined,
  });
  const watched: Readonly<Record<HealthKind, Watched>> = { list: watch('list'), file: watch('file') };

  const isTripped = (kind: HealthKind): boolean => watched[kind].breaker.state !== 'closed';

  async function probe<T>(it: Watched, ask: () => Promise<T>): Promise<T> {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const mine: Probe = { ended, error: undefined };
    it.probe = mine;
    try {
      const answer = await ask();
      it.breaker.succeed();
      return answer;
    } catch (error) {
      mine.error = error;
      throw error;
    } finally {
      // Also of a probe that was given up: a lost one must not keep the others waiting for ever.
      it.probe = undefined;
      resolve();
    }
  }

  return {
    isTripped,
    isProbeDue: (kind) => watched[kind].breaker.state === 'half-open' && watched[kind].probe === undefined,
    state: (kind) => watched[kind].breaker.state,

    report(kind, outcome) {
      if (outcome === 'ok') watched[kind].breaker.succeed();
      else watched[kind].breaker.fail();
    },

    async ask(kind, signal, ask) {
      const it = watched[kind];
      for (;;) {
        if (!isTripped(kind)) return ask();
        const running = it.probe;
        if (running === undefined) return probe(it, ask);
        await endOf(running, signal);
        // A probe whose own client has left has told nothing: the next in line tries.
        const isTold = running.error !== undefined && reasonOf(running.error) !== 'aborted';
        if (isTold && isTripped(kind)) throw sharedFailure(options.name, running.error);
      }
    },
  };
}

async function endOf(probe: Probe, signal: AbortSignal): Promise<void> {
  const left = Promise.withResolvers<void>();
  const onAbort = (): void => left.resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (!signal.aborted) await Promise.race([probe.ended, left.promise]);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** What the probe failed with, for somebody who waited for it: the same reason, an error of its own. */
function sharedFailure(name: string, error: unknown): MirrorError {
  if (!(error instanceof MirrorError)) return unavailable(name, 'connect', 'could not be asked', { cause: error });
  return new MirrorError(error.code, error.message, { cause: error, details: error.details });
}
