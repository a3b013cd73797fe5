/**
 * Compares this machine's clock with the Date of upstreams' answers. A clock that is far off breaks certificates, ages and
 * schedules in ways that look like anything else.
 */
import type { Log } from '../config/log.ts';
import type { HttpClient } from './http-client.ts';

export interface ClockCheck {
  /** The same client; every answer's Date is looked at. */
  watch(upstream: string, http: HttpClient): HttpClient;
  /** How far this machine's clock is ahead of an upstream's, ms; undefined before its first answer with a Date. */
  skewMs(upstream: string): number | undefined;
}

/** More than a slow answer or a sloppy server explains. */
export const MAX_SKEW_MS = 5 * 60_000;

/** `now`: ms since the epoch. One line in the log when a clock is found to differ, and again when it did not in between. */
export function createClockCheck(deps: { readonly log: Log; readonly now: () => number }): ClockCheck {
  const skews = new Map<string, number>();

  function note(upstream: string, date: string | undefined, age: string | undefined): void {
    const sentAtMs = Date.parse(date ?? '');
    if (Number.isNaN(sentAtMs)) return;
    // A cache between here and the upstream passes on an old Date and says how old it is.
    const skewMs = deps.now() - sentAtMs - (Number(age ?? 0) || 0) * 1000;
    const before = skews.get(upstream) ?? 0;
    skews.set(upstream, skewMs);
    if (Math.abs(skewMs) > MAX_SKEW_MS && Math.abs(before) <= MAX_SKEW_MS) {
      deps.log.warn({ upstream, skewSeconds: Math.round(skewMs / 1000) }, 'the clock differs from an upstream’s');
    }
  }

  return {
    watch: (upstream, http) => ({
      async get(request) {
        const response = await http.get(request);
        note(upstream, response.header('date'), response.header('age'));
        return response;
      },
      close: async () => http.close(),
    }),
    skewMs: (upstream) => skews.get(upstream),
  };
}
