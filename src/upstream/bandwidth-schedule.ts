/** Which limit is in force at a moment. PURE but for the time zone, which is the process's. */
import { isWithin, parseDays, timeWindow, wallClockOf } from '../config/time-window.ts';

/** `upstreams[].bandwidth`, as the configuration has it: bytes per second, null is no limit. */
export interface BandwidthConfig {
  readonly limit: number | null;
  readonly schedule: readonly {
    readonly from: string;
    readonly to: string;
    readonly days: string;
    readonly limit: number | null;
  }[];
}

const MINUTE_MS = 60_000;

/**
 * Returns a function that gives the limit at a moment (ms since the epoch) in bytes per second, undefined for none: that
 * of the first entry of the schedule whose hours and days fit, else `limit`. It may be asked often.
 */
export function createLimitAt(config: BandwidthConfig): (epochMs: number) => number | undefined {
  const entries = config.schedule.flatMap(({ from, to, days, limit }) => {
    const [window, on] = [timeWindow(from, to), parseDays(days)];
    // The configuration was checked when it was loaded.
    return window === undefined || on === undefined ? [] : [{ window, on, limit }];
  });
  if (entries.length === 0) return () => config.limit ?? undefined;
  // Windows begin and end on whole minutes.
  let minute: number | undefined;
  let limit: number | null = null;
  return (epochMs) => {
    const asked = Math.floor(epochMs / MINUTE_MS);
    if (asked !== minute) {
      minute = asked;
      const at = wallClockOf(epochMs);
      const entry = entries.find(({ window, on }) => isWithin(window, at, on));
      limit = entry === undefined ? config.limit : entry.limit;
    }
    return limit ?? undefined;
  };
}
