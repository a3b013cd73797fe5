/**
 * Notices that an upstream leads back to this mirror while both still wait for each other, and says so at once: see
 * via.ts. Only where another mirror asks us there can be a loop, so no other upstream is ever pinged for this.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { loopDetected } from '../imgapi/answers.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { HttpClient, HttpRequest } from './http-client.ts';
import type { Upstream } from './upstream.ts';
import type { Via } from './via.ts';

export interface LoopWatch {
  /** An HTTP client that learns from every answer whom it came through. */
  watchHttpClient(http: HttpClient, upstream: string): HttpClient;
  /** An upstream that throws `LoopDetected` where it leads back to us, instead of being waited for. */
  guard(upstream: Upstream): Upstream;
  /** A mirror has asked us for something: whom we wait for may be waiting for us. */
  suspect(): void;
}

interface Watched {
  readonly upstream: Upstream;
  /** Requests without an answer yet. */
  readonly waiting: Set<AbortController>;
  isWatching: boolean;
  checking: Promise<void> | undefined;
  /** On the monotonic clock; undefined: never. */
  checkedAtMs: number | undefined;
}

export interface LoopWatchOptions {
  /** How long an answer may take before the upstream is pinged, ms; doubling from ping to ping. Default 50. */
  readonly firstWaitMs?: number;
}

/** For this long after a mirror's last request we are looked upon as somebody's upstream. */
const SUSPECT_MS = 5 * 60_000;
const LONGEST_WAIT_MS = 5_000;
const PING_MS = 2_000;
/** An upstream that leads back is asked no more than once in this time whether it still does. */
const RECHECK_MS = 1_000;

export function createLoopWatch(
  deps: { readonly via: Via; readonly monotonicNow: () => number },
  options: LoopWatchOptions = {},
): LoopWatch {
  const { via, monotonicNow } = deps;
  const firstWaitMs = options.firstWaitMs ?? 50;
  const all: Watched[] = [];
  let suspectedAtMs: number | undefined;

  const isSuspected = (): boolean => suspectedAtMs !== undefined && monotonicNow() - suspectedAtMs < SUSPECT_MS;

  /** Pings it, so that what is known of it is of now. Shared, never rejects. */
  async function check(watched: Watched): Promise<void> {
    watched.checking ??= ping(watched).finally(() => {
      watched.checking = undefined;
      watched.checkedAtMs = monotonicNow();
    });
    await watched.checking;
  }

  async function ping({ upstream }: Watched): Promise<void> {
    try {
      await upstream.ping({ requestId: randomUUID(), signal: AbortSignal.timeout(PING_MS) });
    } catch (error) {
      // An answer has told what it has to tell, whatever its status; without one nothing is known any more.
      const isAnswer = error instanceof MirrorError && error.details['status'] !== undefined;
      if (!isAnswer) via.learn(upstream.name, undefined);
    }
  }

  /** Pings it now and then for as long as it is waited for. */
  async function watch(watched: Watched): Promise<void> {
    if (watched.isWatching) return;
    watched.isWatching = true;
    try {
      for (let waitMs = firstWaitMs; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)) {
        await sleep(waitMs, undefined, { ref: false });
        if (watched.waiting.size === 0) return;
        await check(watched);
        if (via.leadsBack(watched.upstream.name)) break;
      }
      for (const each of watched.waiting) each.abort(loopDetected(watched.upstream.name));
    } finally {
      watched.isWatching = false;
    }
  }

  async function ask<T>(watched: Watched, signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { name } = watched.upstream;
    if (via.leadsBack(name) && monotonicNow() - (watched.checkedAtMs ?? -RECHECK_MS) >= RECHECK_MS)
      await check(watched);
    if (via.leadsBack(name)) throw loopDetected(name);
    const mine = new AbortController();
    watched.waiting.add(mine);
    if (isSuspected()) void watch(watched);
    try {
      return await work(AbortSignal.any([signal, mine.signal]));
    } catch (error) {
      if (!signal.aborted && via.leadsBack(name)) throw loopDetected(name);
      throw error;
    } finally {
      // Once it has answered it is no longer waited for: a body that is on its way comes from somewhere.
      watched.waiting.delete(mine);
    }
  }

  return {
    watchHttpClient(http, upstream) {
      async function get(request: HttpRequest): ReturnType<HttpClient['get']> {
        const response = await http.get(request);
        via.learn(upstream, response.header('via'));
        return response;
      }
      return { get, close: async () => http.close() };
    },

    guard(upstream) {
      const watched: Watched = {
        upstream,
        waiting: new Set(),
        isWatching: false,
        checking: undefined,
        checkedAtMs: undefined,
      };
      all.push(watched);
      const guarded =
        <R extends { readonly signal: AbortSignal }, T>(work: (request: R) => Promise<T>) =>
        async (request: R): Promise<T> =>
          ask(watched, request.signal, async (signal) => work({ ...request, signal }));
      return {
        ...upstream,
        channels: guarded(async (request) => upstream.channels(request)),
        list: guarded(async (request) => upstream.list(request)),
        manifest: guarded(async (request) => upstream.manifest(request)),
        icon: guarded(async (request) => upstream.icon(request)),
        file: guarded(async (request) => upstream.file(request)),
      };
    },

    suspect() {
      suspectedAtMs = monotonicNow();
      for (const watched of all) if (watched.waiting.size > 0) void watch(watched);
    },
  };
}
