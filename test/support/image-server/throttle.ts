import { setTimeout as sleep } from 'node:timers/promises';

/** How far behind its timetable a throttle may catch up: timers are late by some ms, and the average must still hold. */
const CATCH_UP_MS = 20;

/** Spaces out pieces so that no more than a rate passes; several bodies may share one. */
export interface Throttle {
  /** Waits until `bytes` may pass at this rate. Rejects with AbortError when the signal fires. */
  pass(bytes: number, rateBytesPerSecond: number, signal: AbortSignal): Promise<void>;
}

export function createThrottle(): Throttle {
  let freeAtMs = 0;
  return {
    async pass(bytes, rateBytesPerSecond, signal) {
      const now = performance.now();
      freeAtMs = Math.max(freeAtMs, now - CATCH_UP_MS) + (bytes / rateBytesPerSecond) * 1000;
      const waitMs = freeAtMs - now;
      if (waitMs >= 1) await sleep(waitMs, undefined, { signal });
    },
  };
}

/** The piece that takes 10 ms at this rate, within 1 byte to 64 KiB. */
export function pieceBytesAt(rateBytesPerSecond: number): number {
  return Math.max(1, Math.min(65_536, Math.floor(rateBytesPerSecond / 100)));
}
