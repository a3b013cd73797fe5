/**
 * A circuit breaker: remembers that somebody has failed several times in a row, and for how long not to count on them.
 * It refuses nothing by itself; what being open means is its user's business. PURE but for the clock it is given.
 */

/** `open`: failed lately. `half-open`: failed, but the cool-down is over and it is worth a try. */
export type BreakerState = 'closed' | 'open' | 'half-open';

export interface Breaker {
  readonly state: BreakerState;
  /** An answer came: closed, whatever it was before. */
  succeed(): void;
  /** None came. While open it changes nothing; half-open it opens again, for twice as long. */
  fail(): void;
}

export interface BreakerDeps {
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** It has opened (also: again, after a try that failed) or closed. Half-open comes by time alone and is not told. */
  readonly onTransition?: (to: 'open' | 'closed') => void;
}

export interface BreakerOptions {
  /**
   * Failures in a row that open it. Default 3: the attempts one download makes at one source. Being open costs so little
   * (it changes an order) that it may well come early.
   */
  readonly failures?: number;
  /** The first cool-down, ms. Default 2 s. */
  readonly coolDownFirstMs?: number;
  /** Cool-downs double up to this, ms. Default 60 s: nobody stays out for longer than a minute after getting well. */
  readonly coolDownMostMs?: number;
}

export function createBreaker(deps: BreakerDeps, options: BreakerOptions = {}): Breaker {
  const { failures = 3, coolDownFirstMs = 2_000, coolDownMostMs = 60_000 } = options;
  let inARow = 0;
  let coolDownMs = coolDownFirstMs;
  /** Undefined: closed. */
  let openUntilMs: number | undefined;

  function stateNow(): BreakerState {
    if (openUntilMs === undefined) return 'closed';
    return deps.monotonicNow() < openUntilMs ? 'open' : 'half-open';
  }

  function open(): void {
    openUntilMs = deps.monotonicNow() + coolDownMs;
    deps.onTransition?.('open');
  }

  return {
    get state() {
      return stateNow();
    },

    succeed() {
      inARow = 0;
      coolDownMs = coolDownFirstMs;
      if (openUntilMs === undefined) return;
      openUntilMs = undefined;
      deps.onTransition?.('closed');
    },

    fail() {
      const state = stateNow();
      if (state === 'closed') {
        inARow += 1;
        if (inARow >= failures) open();
      } else if (state === 'half-open') {
        coolDownMs = Math.min(coolDownMostMs, coolDownMs * 2);
        open();
      }
    },
  };
}
