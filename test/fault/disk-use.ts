/** How much of a disk a directory takes, as `du` counts it: by blocks, directories included, each file once. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

export async function diskUse(path: string, seen: Set<number> = new Set()): Promise<number> {
  const found = await lstat(path).catch(() => undefined);
  // Removed while we walk.
  if (found === undefined || seen.has(found.ino)) return 0;
  seen.add(found.ino);
  let bytes = found.blocks * 512;
  if (!found.isDirectory()) return bytes;
  for (const name of await readdir(path).catch(() => [])) bytes += await diskUse(join(path, name), seen);
  return bytes;
}

/**
 * The same, where nothing came, went or moved while it was counted; undefined otherwise: a walk that takes its time counts what goes at its
 * beginning together with what comes at its end.
 */
export async function steadyDiskUse(path: string): Promise<number | undefined> {
  const before = await namesBelow(path);
  const bytes = await diskUse(path);
  return before.join() === (await namesBelow(path)).join() ? bytes : undefined;
}

async function namesBelow(path: string): Promise<string[]> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  return names.toSorted((a, b) => (a < b ? -1 : 1));
}

/** Calls `measure` over and over until the function it returns is called, which gives all that it could tell. */
export function sample(measure: () => Promise<number | undefined>): () => Promise<number[]> {
  const measured: number[] = [];
  let isOver = false;
  async function take(): Promise<void> {
    const value = await measure();
    if (value !== undefined) measured.push(value);
  }
  const loop = (async () => {
    while (!isOver) {
      await take();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await take();
  })();
  return async () => {
    isOver = true;
    await loop;
    return measured;
  };
}

/** Runs all, `atOnce` at a time. */
export async function inTurns<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const next = items.values();
  const worker = async (): Promise<void> => {
    for (const item of next) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
