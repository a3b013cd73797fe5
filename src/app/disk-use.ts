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
/** While downloads run it is looked at so often, and what was found then is not waited for again. */
const LOOK_EVERY_MS = 1_000;
/** Somebody who asks less often than this, more than a scrape's interval, is given a look of his own. */
const ASKED_WITHIN_MS = 120_000;
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
 * never was, is NaN. While downloads run, each look would wait behind their writes: then it is a second old at most, and not waited for.
 */
export type DiskUse = (waitMs: number) => Promise<Use>;

export function createDiskUse(
  {
    blobs,
    space,
  }: { readonly blobs: Pick<Storage['blobs'], 'upkeep'>; readonly space: Pick<Storage['space'], 'free'> },
  downloads: Pick<Downloads, 'running'>,
  monotonicNow: () => number,
): DiskUse {
  let looking: Promise<Use> | undefined;
  let last: Use | undefined;
  let lookedAtMs = -Infinity;
  let askedAtMs = -Infinity;
  let timer: NodeJS.Timeout | undefined;

  async function look(): Promise<Use> {
    try {
      const [use, freeBytes] = await Promise.all([
        measureUse(blobs.upkeep, downloads.running),
        // The disk's trouble is told by the verdict; the rest of the status must not be lost to it.
        space.free().catch(() => NaN),
      ]);
      last = { ...use, freeBytes };
      lookedAtMs = monotonicNow();
      return last;
    } finally {
      looking = undefined;
      keepFresh();
    }
  }

  function isBusy(): boolean {
    return [...downloads.running].length > 0;
  }

  /** Ends by itself soon after the last download, or when nobody asks any more. */
  function keepFresh(): void {
    if (timer !== undefined || !isBusy() || monotonicNow() - askedAtMs > ASKED_WITHIN_MS) return;
    timer = setTimeout(() => {
      timer = undefined;
      looking ??= look();
    }, LOOK_EVERY_MS).unref();
  }

  return async (waitMs) => {
    askedAtMs = monotonicNow();
    // Only where the next look is due by itself, or under way. Twice, for a look takes its time too.
    const isKeptFresh = (timer ?? looking) !== undefined && askedAtMs - lookedAtMs < 2 * LOOK_EVERY_MS;
    if (last !== undefined && isKeptFresh && isBusy()) return last;
    looking ??= look();
    return inTime(looking, last === undefined ? FIRST_WAIT_MS : waitMs, last ?? UNKNOWN);
  };
}
