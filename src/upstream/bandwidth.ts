/**
 * Keeps the sum of an upstream's file transfers within a limit, fair among them, and demand before prefetch.
 *
 * A transfer asks after each chunk it has received, and reads no further until it may: what it does not read the
 * kernel does not take, so that the sender waits and nothing gathers here. Chunks are counted after the fact: the
 * first one past the limit is let through and the wait for it comes behind, which keeps the sum exact whatever the size
 * of chunks.
 *
 * Prefetches get what demand leaves. Where there is a limit, demand may use all of it. Where there is none nobody
 * knows what the line could carry: prefetches crawl while any demand brings bytes. Either way they get a little,
 * because a connection on which nothing moves is cut by whoever stands between.
 */
import { createLimitAt, type BandwidthConfig } from './bandwidth-schedule.ts';
import type { Urgency } from './urgency.ts';

/** When a demand last brought bytes, whatever the upstream: one for the whole mirror, whose line it is. */
export interface DemandWatch {
  /** By the monotonic clock. */
  lastAtMs: number;
}

export function createDemandWatch(): DemandWatch {
  return { lastAtMs: Number.NEGATIVE_INFINITY };
}

export interface Bandwidth {
  /** The body, no faster than it may be. The wait ends with the reason of `signal` when that aborts. */
  pace(body: AsyncIterable<Buffer>, urgency: Urgency, signal: AbortSignal): AsyncGenerator<Buffer>;
  /** Applies other limits from now on, to running transfers too. */
  update(config: BandwidthConfig): void;
  /** In force now, bytes per second; undefined: none. */
  readonly limit: number | undefined;
  /** How long transfers have been held back, each counted by itself. */
  readonly throttledSeconds: number;
}

export interface BandwidthDeps {
  /** ms since the epoch, for the schedule. */
  readonly now: () => number;
  readonly monotonicNow: () => number;
  /** Runs it once in so many ms; what it returns prevents that. Default: `setTimeout`. */
  readonly setTimer?: (run: () => void, ms: number) => () => void;
  readonly demand: DemandWatch;
}

/** What is left unused for so long is lost: the most that comes at once after a pause, in seconds of the limit. */
const BURST_SECONDS = 0.2;
/** Prefetches take what is there beyond this share of the burst: a demand that comes finds some at once. */
const RESERVED_SHARE = 0.5;
/** What prefetches together get at least of a limit. */
const CRAWL_SHARE = 0.02;
/** What they get together where there is no limit, while demand brings bytes. Bytes per second. */
const CRAWL_BYTES = 64 * 1024;
/** Demand that has brought nothing for this long leaves the line, ms. */
const DEMAND_LINGER_MS = 2_000;
/** Limits change with the hours: whoever waits looks again after this, ms. */
const LOOK_MS = 1_000;

/** One transfer. */
interface Share {
  readonly urgency: Urgency;
  /** Where it stands among the others, in bytes: who has had least is next. */
  finish: number;
}

interface Waiter {
  readonly share: Share;
  readonly bytes: number;
  readonly go: () => void;
}

export function createBandwidth(deps: BandwidthDeps, config: BandwidthConfig): Bandwidth {
  const { monotonicNow, demand } = deps;
  const setTimer = deps.setTimer ?? startTimer;
  let limitAt = createLimitAt(config);
  const waiting = new Set<Waiter>();
  let stopTimer: (() => void) | undefined;
  /** Bytes that may come now; below zero: what came too early. */
  let credit = 0;
  let countedAtMs = monotonicNow();
  /** When a prefetch may have a chunk whatever demand does. */
  let crawlAtMs = Number.NEGATIVE_INFINITY;
  /** `finish` of who went last: who comes new begins there, and not with the credit of all who went before. */
  let served = 0;
  let throttledMs = 0;

  /** Brings `credit` up to date; returns the limit. */
  function count(nowMs: number): number | undefined {
    const limit = limitAt(deps.now());
    const elapsedMs = nowMs - countedAtMs;
    countedAtMs = nowMs;
    credit = limit === undefined ? 0 : Math.min(credit + (limit * elapsedMs) / 1000, limit * BURST_SECONDS);
    return limit;
  }

  function firstOf(priority: Urgency['priority']): Waiter | undefined {
    let first: Waiter | undefined;
    for (const waiter of waiting) {
      if (waiter.share.urgency.priority !== priority) continue;
      if (first === undefined || waiter.share.finish < first.share.finish) first = waiter;
    }
    return first;
  }

  /** Who may go now; or in how many ms, at the latest, somebody may. */
  function choose(limit: number | undefined, nowMs: number): Waiter | number {
    const [demanded, prefetched] = [firstOf('demand'), firstOf('prefetch')];
    const crawlInMs = crawlAtMs - nowMs;
    if (limit === undefined) {
      if (demanded !== undefined) return demanded;
      const quietInMs = demand.lastAtMs + DEMAND_LINGER_MS - nowMs;
      return prefetched !== undefined && Math.min(crawlInMs, quietInMs) <= 0
        ? prefetched
        : Math.min(crawlInMs, quietInMs);
    }
    const untilMs = (bytes: number): number => ((bytes - credit) / limit) * 1000;
    const dueInMs = untilMs(0);
    const leftInMs = untilMs(limit * BURST_SECONDS * RESERVED_SHARE);
    if (prefetched !== undefined && dueInMs <= 0 && crawlInMs <= 0) return prefetched;
    if (demanded !== undefined) return dueInMs <= 0 ? demanded : dueInMs;
    if (prefetched !== undefined && leftInMs <= 0) return prefetched;
    return Math.min(leftInMs, Math.max(dueInMs, crawlInMs));
  }

  function grant({ share, bytes, go }: Waiter, limit: number | undefined, nowMs: number): void {
    served = Math.max(served, share.finish);
    if (limit !== undefined) credit -= bytes;
    if (share.urgency.priority === 'prefetch') {
      crawlAtMs = nowMs + (bytes / (limit === undefined ? CRAWL_BYTES : limit * CRAWL_SHARE)) * 1000;
    }
    go();
  }

  function serve(): void {
    stopTimer?.();
    stopTimer = undefined;
    const nowMs = monotonicNow();
    const limit = count(nowMs);
    while (waiting.size > 0) {
      const next = choose(limit, nowMs);
      if (typeof next === 'number') {
        stopTimer = setTimer(serve, Math.min(LOOK_MS, Math.max(1, Math.ceil(next))));
        return;
      }
      waiting.delete(next);
      grant(next, limit, nowMs);
    }
  }

  /** Counts bytes that have come. Undefined: go on at once. */
  function take(share: Share, bytes: number, signal: AbortSignal): Promise<void> | undefined {
    if (share.urgency.priority === 'demand') demand.lastAtMs = monotonicNow();
    share.finish = Math.max(share.finish, served) + bytes;
    let isGone = false;
    let onGo: (() => void) | undefined;
    const waiter: Waiter = {
      share,
      bytes,
      go() {
        isGone = true;
        onGo?.();
      },
    };
    waiting.add(waiter);
    serve();
    // TypeScript does not see that `serve` may have let it go.
    if (isGone as boolean) return undefined;
    return new Promise((resolve, reject) => {
      const startedAtMs = monotonicNow();
      const settle = (): void => {
        signal.removeEventListener('abort', onAbort);
        stopListening();
        throttledMs += monotonicNow() - startedAtMs;
      };
      const onAbort = (): void => {
        settle();
        waiting.delete(waiter);
        reject(signal.reason);
      };
      const stopListening = share.urgency.onUpgrade(serve);
      onGo = () => {
        settle();
        resolve();
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }

  return {
    async *pace(body, urgency, signal) {
      const share: Share = { urgency, finish: served };
      for await (const chunk of body) {
        const wait = take(share, chunk.length, signal);
        if (wait !== undefined) await wait;
        yield chunk;
      }
    },
    update(next) {
      limitAt = createLimitAt(next);
      serve();
    },
    get limit() {
      return limitAt(deps.now());
    },
    get throttledSeconds() {
      return throttledMs / 1000;
    },
  };
}

function startTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms);
  return () => clearTimeout(timer);
}
