/**
 * Seeded randomness. Every decision of a run has a generator of its own, made from the seed and what the decision is about,
 * so that the plan of a run does not depend on which of its requests happens to come first.
 */
import { createHash } from 'node:crypto';

export interface Random {
  /** [0, 1) */
  next(): number;
  /** A whole number from `least` to `most`, both included. */
  int(least: number, most: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Picks by weight: `[[3, 'often'], [1, 'seldom']]`. */
  weighted<T>(from: readonly (readonly [weight: number, value: T])[]): T;
}

export function createRandom(...about: readonly (string | number)[]): Random {
  let state = createHash('md5').update(about.join(' ')).digest().readUInt32LE(0);

  /** Mulberry32: small, fast, and good enough to choose faults with. */
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  function pick<T>(from: readonly T[]): T {
    const value = from[Math.floor(next() * from.length)];
    if (value === undefined) throw new RangeError('nothing to pick from');
    return value;
  }

  return {
    next,
    int: (least, most) => least + Math.floor(next() * (most - least + 1)),
    chance: (probability) => next() < probability,
    pick,
    weighted(from) {
      let left = next() * from.reduce((sum, [weight]) => sum + weight, 0);
      for (const [weight, value] of from) {
        left -= weight;
        if (left < 0) return value;
      }
      return pick(from)[1];
    },
  };
}
