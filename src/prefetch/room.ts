/** Whether what a prefetch wants fits on the disk, and what would have to go for it. */
import { footprintOf } from '../blobs/footprint.ts';
import type { Room } from '../blobs/reservation.ts';
import type { PrefetchPlan } from './plan.ts';

/** What would go; see `Eviction.preview`. */
export interface EvictionPreview {
  readonly blobs: number;
  readonly bytes: number;
}

export interface PrefetchRoom {
  /** Of the disk, for all that is to be fetched. */
  readonly neededBytes: number;
  /** What is free for it now, within the limits. */
  readonly roomBytes: number;
  /** What would have to go. */
  readonly evict: EvictionPreview;
  /** False: not even with all evicted that may go, which `evict` then counts. */
  readonly fits: boolean;
}

export interface PrefetchRoomDeps {
  /** See SpaceKeeper.room. */
  readonly room: () => Promise<Room>;
  /** See Eviction.preview. */
  readonly previewEviction: (bytes: number) => Promise<EvictionPreview | undefined>;
}

/** What is planned has to be held by then, so that it does not count as what may go. @throws MirrorError InternalError */
export async function roomFor(plan: PrefetchPlan, deps: PrefetchRoomDeps): Promise<PrefetchRoom> {
  const sizes = plan.images.flatMap(({ files }) => files.map(({ size }) => size));
  const neededBytes = sizes.reduce((sum, size) => sum + footprintOf(size), 0);
  const { roomBytes } = await deps.room();
  const nothing = { blobs: 0, bytes: 0 };
  if (neededBytes <= roomBytes || neededBytes === 0) return { neededBytes, roomBytes, evict: nothing, fits: true };
  const enough = await deps.previewEviction(neededBytes - roomBytes);
  if (enough !== undefined) return { neededBytes, roomBytes, evict: enough, fits: true };
  const all = await deps.previewEviction(Number.POSITIVE_INFINITY);
  return { neededBytes, roomBytes, evict: all ?? nothing, fits: false };
}
