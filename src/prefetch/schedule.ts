/**
 * Runs the configured prefetches: each when it is due and within its hours. Where its hours end a run is stopped, and
 * goes on where it was when they begin again. What was missed, because the mirror was off or asleep, is made up for as soon
 * as the hours allow: at its start every entry is due. An entry that failed is due again sooner than otherwise.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Log } from '../config/log.ts';
import { isWithin, parseTimeWindow, wallClockOf, type TimeWindow } from '../config/time-window.ts';
import { MirrorError } from '../imgapi/errors.ts';

/** One entry of `prefetch`. */
export interface PrefetchEntry {
  readonly select: readonly string[];
  /** ms from the beginning of one run to that of the next; null: never. */
  readonly every: number | null;
  /** As in `01:00-05:00`; null: at any time. */
  readonly window: string | null;
}

export interface PrefetchSchedule {
  /** Begins; from then on entries run. */
  start(): void;
  /** Other entries: those that are as they were go on as they were, runs of the others are stopped. */
  update(entries: readonly PrefetchEntry[]): void;
  /** Stops what runs; resolves when nothing does. */
  close(): Promise<void>;
  /** How many entries' last run failed. One that was stopped counts as it did before. */
  readonly failing: number;
  /** How many times in a row an entry's hours have ended before it was through; of several entries the most. */
  readonly unfinished: number;
}

export interface PrefetchScheduleDeps {
  /** One run; resolves `true` if all that was wanted is there. Aborted, it rejects and leaves what it has. */
  readonly run: (selectors: readonly string[], signal: AbortSignal) => Promise<boolean>;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
  /** Runs it once in so many ms; what it returns prevents that. Default: `setTimeout`, without keeping the process alive. */
  readonly setTimer?: (run: () => void, ms: number) => () => void;
}

interface Timetable {
  readonly entry: PrefetchEntry;
  readonly every: number;
  readonly window: TimeWindow | undefined;
  /** ms since the epoch. */
  dueAtMs: number;
  failures: number;
  /** Hours that ended before it was through, since it last was. */
  unfinished: number;
  running: { readonly abort: AbortController; readonly ended: Promise<void> } | undefined;
  stopTimer: (() => void) | undefined;
}

const MINUTE_MS = 60_000;
/** After a failed run the next one is due: first after a minute, then later and later, up to this or the entry's own time. */
const RETRY_FIRST_MS = MINUTE_MS;
const RETRY_MOST_MS = 30 * MINUTE_MS;

export function createPrefetchSchedule(
  deps: PrefetchScheduleDeps,
  entries: readonly PrefetchEntry[],
): PrefetchSchedule {
  const { log, now } = deps;
  const setTimer = deps.setTimer ?? startTimer;
  let tables = entries.flatMap((entry) => timetable(entry, now()));
  const ending = new Set<Promise<void>>();
  let isStarted = false;
  let isClosed = false;

  function isOpen({ window }: Timetable): boolean {
    return window === undefined || isWithin(window, wallClockOf(now()));
  }

  /** Looks at one entry, and again at the next full minute, at which hours begin and end, or when it is due. */
  function look(table: Timetable): void {
    table.stopTimer?.();
    if (isClosed || !tables.includes(table)) return;
    const nowMs = now();
    // A clock that was set back must not put off what is due by more than its own time.
    table.dueAtMs = Math.min(table.dueAtMs, nowMs + table.every);
    if (table.running !== undefined && !isOpen(table)) stop(table, 'its hours are over');
    if (table.running === undefined && isOpen(table) && nowMs >= table.dueAtMs) begin(table);
    const toMinuteMs = MINUTE_MS - (nowMs % MINUTE_MS);
    const toDueMs = table.dueAtMs - nowMs;
    table.stopTimer = setTimer(() => look(table), toDueMs > 0 ? Math.min(toDueMs, toMinuteMs) : toMinuteMs);
  }

  function begin(table: Timetable): void {
    const abort = new AbortController();
    const startedAtMs = now();
    const ended = runOnce(table, abort.signal, startedAtMs).finally(() => {
      table.running = undefined;
      ending.delete(ended);
      look(table);
    });
    ending.add(ended);
    table.running = { abort, ended };
  }

  async function runOnce(table: Timetable, signal: AbortSignal, startedAtMs: number): Promise<void> {
    const { select } = table.entry;
    log.info({ select }, 'scheduled prefetch begins');
    // The caller notes that it runs before anything else happens.
    await Promise.resolve();
    let isDone = false;
    try {
      isDone = await deps.run(select, signal);
      log.info({ select, seconds: (now() - startedAtMs) / 1000 }, 'scheduled prefetch has ended');
    } catch (error) {
      if (signal.aborted) {
        log.info({ select, reason: String(error) }, 'scheduled prefetch stopped; the next one goes on');
        // Due as it was: it goes on when its hours begin again.
        table.dueAtMs = now();
        // Neither a stop of the mirror nor another configuration says anything of how long it takes.
        if (!isClosed && tables.includes(table)) table.unfinished += 1;
        return;
      }
      log.error({ err: error, select }, 'scheduled prefetch failed');
    }
    table.failures = isDone ? 0 : table.failures + 1;
    if (isDone) table.unfinished = 0;
    const waitMs = isDone ? table.every : Math.min(table.every, RETRY_MOST_MS, retryMs(table.failures));
    table.dueAtMs = isDone ? startedAtMs + waitMs : now() + waitMs;
  }

  return {
    start() {
      if (isStarted || isClosed) return;
      isStarted = true;
      for (const table of tables) look(table);
    },
    update(next) {
      const before = tables;
      tables = next.flatMap((entry) => {
        const same = before.find((table) => isDeepStrictEqual(table.entry, entry));
        return same === undefined ? timetable(entry, now()) : [same];
      });
      for (const table of before) if (!tables.includes(table)) drop(table, 'it is no longer configured');
      if (isStarted) for (const table of tables) look(table);
    },
    async close() {
      isClosed = true;
      for (const table of tables) drop(table, 'the mirror is shutting down');
      await Promise.all(ending);
    },
    get failing() {
      return tables.filter(({ failures }) => failures > 0).length;
    },
    get unfinished() {
      return Math.max(0, ...tables.map(({ unfinished }) => unfinished));
    },
  };
}

function stop(table: Timetable, why: string): void {
  table.running?.abort.abort(new MirrorError('ShuttingDown', `the prefetch was stopped: ${why}`));
}

function drop(table: Timetable, why: string): void {
  table.stopTimer?.();
  stop(table, why);
}

/** None for an entry that never runs. */
function timetable(entry: PrefetchEntry, nowMs: number): Timetable[] {
  const { select, every, window } = entry;
  if (every === null || select.length === 0) return [];
  return [
    {
      entry,
      every,
      // The configuration was checked when it was loaded.
      window: window === null ? undefined : parseTimeWindow(window),
      dueAtMs: nowMs,
      failures: 0,
      unfinished: 0,
      running: undefined,
      stopTimer: undefined,
    },
  ];
}

function retryMs(failures: number): number {
  return RETRY_FIRST_MS * 2 ** Math.min(10, failures - 1);
}

function startTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}
