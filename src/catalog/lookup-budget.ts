/**
 * How many uuids that are in no list an upstream is asked for: random ones must not become its load. A token bucket for
 * each upstream; without a token the answer is "unknown" at once, never a wait.
 */

export interface LookupBudget {
  /** Takes a token of this upstream; false if there is none. */
  take(upstream: string): boolean;
}

export interface LookupBudgetOptions {
  /** Tokens of a full bucket. Default 200. */
  readonly burst?: number;
  /** Tokens that come back per second. Default 20. */
  readonly perSecond?: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** `upstream` names come from the configuration, so there are few buckets. */
export function createLookupBudget(
  deps: { readonly monotonicNow: () => number },
  options: LookupBudgetOptions = {},
): LookupBudget {
  const { burst = 200, perSecond = 20 } = options;
  const buckets = new Map<string, Bucket>();

  return {
    take(upstream) {
      const nowMs = deps.monotonicNow();
      const { tokens, atMs } = buckets.get(upstream) ?? { tokens: burst, atMs: nowMs };
      const filled = Math.min(burst, tokens + ((nowMs - atMs) / 1000) * perSecond);
      const isTaken = filled >= 1;
      buckets.set(upstream, { tokens: isTaken ? filled - 1 : filled, atMs: nowMs });
      return isTaken;
    },
  };
}
