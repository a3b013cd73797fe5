/** What things take of a disk, as `du` sees it: limits are measured there, not in the books. */
import type { Stats } from 'node:fs';

/** The block size of the usual file systems. */
const BLOCK_BYTES = 4096;
/** Beside each blob: its sidecar, its image's kept manifest, and its share of a shard's directory. A block each. */
const BESIDE_BLOB_BYTES = 3 * BLOCK_BYTES;

/** What a blob of `size` bytes takes, with all that comes with it. */
export function footprintOf(size: number): number {
  return Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES + BESIDE_BLOB_BYTES;
}

/** What a file takes. Compressed or sparse ones count whole, because they may not stay so. */
export function bytesOnDisk(found: Pick<Stats, 'size' | 'blocks'>): number {
  // The unit of st_blocks is 512 bytes everywhere Node runs.
  return Math.max(found.size, found.blocks * 512);
}
