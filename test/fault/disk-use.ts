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

/** Calls `measure` over and over until the function it returns is called, which gives all that was measured. */
export function sample(measure: () => Promise<number>): () => Promise<number[]> {
  const measured: number[] = [];
  let isOver = false;
  const loop = (async () => {
    while (!isOver) {
      measured.push(await measure());
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    measured.push(await measure());
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
