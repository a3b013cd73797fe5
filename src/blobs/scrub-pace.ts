/** Keeps reading within a budget of bytes per second. */
import type { Sleep } from './scrub.ts';

export interface PaceOptions {
  readonly rate: number;
  /** ms, never going back. */
  readonly monotonicNow: () => number;
  readonly sleep: Sleep;
}

/** @returns what waits until so many bytes may be read; what was not used is not saved up. */
export function createPace(options: PaceOptions): (bytes: number, signal: AbortSignal) => Promise<void> {
  const { rate, monotonicNow, sleep } = options;
  let freeAtMs = monotonicNow();
  return async (bytes, signal) => {
    const nowMs = monotonicNow();
    const waitMs = freeAtMs - nowMs;
    freeAtMs = Math.max(freeAtMs, nowMs) + (bytes * 1000) / rate;
    if (waitMs > 0) await sleep(waitMs, signal);
    signal.throwIfAborted();
  };
}
