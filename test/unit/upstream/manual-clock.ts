/** A clock that stands still unless a test moves it, and timers that run by it. */
import { setImmediate as turn } from 'node:timers/promises';

export interface ManualClock {
  readonly now: () => number;
  /** Runs it once in so many ms; what it returns prevents that. */
  readonly setTimer: (run: () => void, ms: number) => () => void;
  sleep(ms: number): Promise<void>;
  /** Lets so many ms go by, timer by timer; who is woken has done what it can before the next. */
  run(ms: number): Promise<void>;
  /** So many ms pass, or are taken back, without any timer: the machine slept, or its clock was set. */
  skip(ms: number): void;
}

export function createManualClock(startAt = 0): ManualClock {
  let now = startAt;
  const timers = new Set<{ at: number; readonly run: () => void }>();
  function setTimer(run: () => void, ms: number): () => void {
    const timer = { at: now + ms, run };
    timers.add(timer);
    return () => void timers.delete(timer);
  }
  return {
    now: () => now,
    setTimer,
    sleep: async (ms) => new Promise((resolve) => void setTimer(resolve, ms)),
    async run(ms) {
      const end = now + ms;
      for (;;) {
        await turn();
        let next: { readonly at: number; readonly run: () => void } | undefined;
        for (const timer of timers) if (next === undefined || timer.at < next.at) next = timer;
        if (next === undefined || next.at > end) break;
        timers.delete(next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = end;
    },
    skip(ms) {
      now += ms;
      for (const timer of timers) timer.at += ms;
    },
  };
}
