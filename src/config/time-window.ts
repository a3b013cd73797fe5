/**
 * Hours of the day and days of the week as people write them (`08:00`, `mon-fri`, `01:00-05:00`), and whether a moment
 * lies within. All of it is local time, by the wall clock: a window has the hours its text says on days with 23 or 25
 * hours too. PURE but for the time zone, which is the process's.
 */

/** Minutes of the day. A window that ends before it begins goes on past midnight; one that ends where it begins is a day long. */
export interface TimeWindow {
  /** 0 to 1439. */
  readonly from: number;
  /** 0 to 1440. */
  readonly to: number;
}

/** A moment by the wall clock. */
export interface WallClock {
  /** 0 is Sunday. */
  readonly day: number;
  /** Minutes since midnight. */
  readonly minute: number;
}

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTES_OF_DAY = 24 * 60;

/** Minutes since midnight of `08:00`. `24:00` is the end of a day. Undefined for anything else. */
export function parseTimeOfDay(text: string): number | undefined {
  const [, hours, minutes] = /^(\d{1,2}):([0-5]\d)$/.exec(text) ?? [];
  const minute = Number(hours) * 60 + Number(minutes);
  return minute <= MINUTES_OF_DAY ? minute : undefined;
}

/** The window of `01:00-05:00`; undefined for anything else. */
export function parseTimeWindow(text: string): TimeWindow | undefined {
  const [begin, end, ...rest] = text.split('-');
  return rest.length > 0 ? undefined : timeWindow(begin ?? '', end ?? '');
}

/** The window between two times of the day as written; undefined where one is none. */
export function timeWindow(begin: string, end: string): TimeWindow | undefined {
  const [from, to] = [parseTimeOfDay(begin.trim()), parseTimeOfDay(end.trim())];
  return from === undefined || to === undefined || from === MINUTES_OF_DAY ? undefined : { from, to };
}

/** The days of `mon-fri`, `sat,sun` or `fri-mon`, 0 is Sunday; undefined for anything else. */
export function parseDays(text: string): ReadonlySet<number> | undefined {
  const days = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const [first, last = first, ...rest] = part.split('-').map((day) => DAYS.indexOf(day.trim()));
    if (first === undefined || last === undefined || first < 0 || last < 0 || rest.length > 0) return undefined;
    for (let day = first; ; day = (day + 1) % DAYS.length) {
      days.add(day);
      if (day === last) break;
    }
  }
  return days;
}

/** True within the window, on the given days (any by default). What is past midnight belongs to the day on which it began. */
export function isWithin({ from, to }: TimeWindow, at: WallClock, days?: ReadonlySet<number>): boolean {
  const isOn = (day: number): boolean => days?.has(day) ?? true;
  const yesterday = (at.day + DAYS.length - 1) % DAYS.length;
  if (from < to) return isOn(at.day) && at.minute >= from && at.minute < to;
  return (isOn(at.day) && at.minute >= from) || (isOn(yesterday) && at.minute < to);
}

/** The wall clock of this process's time zone. */
export function wallClockOf(epochMs: number): WallClock {
  const date = new Date(epochMs);
  return { day: date.getDay(), minute: date.getHours() * 60 + date.getMinutes() };
}
