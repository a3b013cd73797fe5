/** What the disk says of itself, for the status: within a second, however it is. */
import { measureUse } from '../blobs/upkeep.ts';
import type { Downloads } from '../downloads/registry.ts';
import { inTime } from '../operations/in-time.ts';
import type { Storage } from './storage.ts';

type Use = Awaited<ReturnType<typeof measureUse>> & {
  /** Of the file system. */
  readonly freeBytes: number;
};

const WAIT_MS = 1_000;
const UNKNOWN: Use = {
  usedBytes: NaN,
  partialBytes: NaN,
  quarantinedFiles: NaN,
  quarantinedBytes: NaN,
  freeBytes: NaN,
};

/** Asks one question at a time, so that a disk that hangs is not asked ever more. What it cannot tell, or not soon, is NaN. */
export function createDiskUse(
  { blobs, space }: Pick<Storage, 'blobs' | 'space'>,
  downloads: Pick<Downloads, 'running'>,
): () => Promise<Use> {
  let looking: Promise<Use> | undefined;

  async function look(): Promise<Use> {
    try {
      const [use, freeBytes] = await Promise.all([
        measureUse(blobs.upkeep, downloads.running),
        // The disk's trouble is told by the verdict; the rest of the status must not be lost to it.
        space.free().catch(() => NaN),
      ]);
      return { ...use, freeBytes };
    } finally {
      looking = undefined;
    }
  }

  return async () => inTime((looking ??= look()), WAIT_MS, UNKNOWN);
}
