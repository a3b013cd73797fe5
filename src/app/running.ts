/** How much is on its way right now, for scrapes. */
import type { Downloads } from '../downloads/registry.ts';

export function runningOf({ running, passing }: Pick<Downloads, 'running' | 'passing'>): {
  readonly running: number;
  readonly followers: number;
  readonly passing: number;
} {
  const downloads = [...running];
  return {
    running: downloads.length,
    followers: downloads.reduce((sum, { followers }) => sum + followers, 0),
    passing: [...passing].length,
  };
}
