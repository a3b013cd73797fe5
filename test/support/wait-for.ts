import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface UntilOptions {
  /** Default 20,000: it only says how long a test that fails takes. */
  readonly deadlineMs?: number;
  /** Default 10. */
  readonly everyMs?: number;
  /** What is awaited, for the error: "the catalog holds 2 images". Default: the check's source text. */
  readonly what?: string;
}

type Falsy = false | 0 | '' | null | undefined;

/**
 * Calls `check` until it gives something truthy, and returns that. A check that throws counts as "not yet", so asserts work.
 * Past the deadline it throws, saying what was awaited and what the last check gave.
 */
export async function until<T>(check: () => T | Promise<T>, options: UntilOptions = {}): Promise<Exclude<T, Falsy>> {
  const { deadlineMs = 20_000, everyMs = 10, what = check.toString() } = options;
  const startedAtMs = performance.now();
  for (;;) {
    const { value, error } = await attempt(check);
    if (isTruthy(value)) return value;
    if (performance.now() - startedAtMs >= deadlineMs) {
      const last = error === undefined ? `gave ${inspect(value, { depth: 2 })}` : `threw ${inspect(error)}`;
      throw new Error(`waited ${deadlineMs} ms for: ${what}\nthe last check ${last}`, { cause: error });
    }
    await sleep(everyMs);
  }
}

function isTruthy<T>(value: T | undefined): value is Exclude<T, Falsy> {
  return Boolean(value);
}

async function attempt<T>(check: () => T | Promise<T>): Promise<{ value?: T; error?: unknown }> {
  try {
    return { value: await check() };
  } catch (error) {
    return { error };
  }
}
