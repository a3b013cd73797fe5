/** What the disk says of itself, for the status and for scrapes: soon, however it is. */
import { measureUse } from '../blobs/upkeep.ts';
import type { Downloads } from '../downloads/registry.ts';
import { inTime } from '../operations/in-time.ts';
import type { Storage } from './storage.ts';

type Use = Awaited<ReturnType<typeof measureUse>> & {
  /** Of the file system. */
  readonly freeBytes: number;
};

/** What is waited for at most while nothing is known yet. */
const FIRST_WAIT_MS = 1_000;
const UNKNOWN: Use = {
  usedBytes: NaN,
  runningBytes: NaN,
  partialBytes: NaN,
  quarantinedFiles: NaN,
  quarantinedBytes: NaN,
  freeBytes: NaN,
};

/**
 * Asks one question at a time, so that a disk that hangs is not asked ever more. What is not told within `waitMs` is as it was told last; what
 * never was, is NaN.
 */
export type DiskUse = (waitMs: number) => Promise<Use>;

export function createDiskUse(
  { blobs, space }: Pick<Storage, 'blobs' | 'space'>,
  downloads: Pick<Downloads, 'running'>,
): DiskUse {
  let looking: Promise<Use> | undefined;
  let last: Use | undefined;

  async function look(): Promise<Use> {
    try {
      const [use, freeBytes] = await Promise.all([
        measureUse(blobs.upkeep, downloads.running),
        // The disk's trouble is told by the verdict; the rest of the status must not be lost to it.
        space.free().catch(() => NaN),
      ]);
      last = { ...use, freeBytes };
      return last;
    } finally {
      looking = undefined;
    }
  }

  return async (waitMs) => {
    looking ??= look();
    return inTime(looking, last === undefined ? FIRST_WAIT_MS : waitMs, last ?? UNKNOWN);
  };
}
