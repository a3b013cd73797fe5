/**
 * Syncs a file while it is written, a step behind. Without it the disk would have all of it to do at the end, and until then gigabytes
 * of the machine's memory would hold nothing but what waits for the disk.
 */
import type { FileHandle } from 'node:fs/promises';

export interface SyncBehind {
  /** Now and then waits for an earlier sync. @throws the file system's error of one */
  wrote(handle: FileHandle, bytes: number): Promise<void>;
  /** Resolves when no sync is under way: before that no handle may be closed. @throws as `wrote` */
  settle(): Promise<void>;
}

const STEP_BYTES = 128 * 1024 * 1024;

export function createSyncBehind(): SyncBehind {
  let syncing: Promise<void> = Promise.resolve();
  let unsyncedBytes = 0;
  return {
    async wrote(handle, bytes) {
      unsyncedBytes += bytes;
      if (unsyncedBytes < STEP_BYTES) return;
      await syncing;
      unsyncedBytes = 0;
      syncing = handle.datasync();
      // Looked at with the next one, or at the end.
      syncing.catch(() => {});
    },
    settle: async () => syncing,
  };
}
