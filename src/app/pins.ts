/** Which images eviction never takes: the pins, what they hold, and what the configuration pins. */
import { join } from 'node:path';
import type { EvictionDeps } from '../blobs/eviction.ts';
import { createImageFacts, type KnownImage, type KnownImages } from '../catalog/known-images.ts';
import type { Config } from '../config/schema.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { createPinUpkeep } from '../pins/pin-upkeep.ts';
import { createPinsFile } from '../pins/pins-file.ts';
import { createPins, type Pins } from '../pins/pins.ts';
import type { ImageIndex } from '../records/image-index.ts';
import type { Keeper } from '../records/keeper.ts';
import type { RemovableManifests } from '../records/kept-manifests.ts';
import type { Facts } from '../selector/match.ts';
import { parseSelectors } from '../selector/parse.ts';
import type { AppDeps } from './deps.ts';

/** The rooms it works with: functions, as some are made after it. */
export interface PinRooms {
  readonly index: ImageIndex;
  readonly kept: () => Pick<RemovableManifests, 'remove'>;
  readonly keeper: () => Keeper;
  readonly known: () => KnownImages;
  readonly hasBlob: (sha1: Sha1Hex) => boolean;
  readonly isContradicted: (uuid: ImageUuid) => boolean;
  /** The manifest of an image is not kept any more. */
  readonly onForgotten: (uuid: ImageUuid) => void;
}

export interface PinRoom {
  readonly pins: Pins;
  /** What selectors ask of images. */
  readonly facts: Facts<KnownImage>;
  /** What eviction asks. */
  readonly forEviction: Pick<EvictionDeps, 'isPinned' | 'heldBy' | 'forgetImage'>;
  /** Removes the kept manifest of an image nothing of which is stored, unless it is held. */
  readonly forgetUnstored: (uuid: ImageUuid) => Promise<void>;
  /** Pins what another configuration wants pinned. */
  update(config: Config): void;
  /** Reads the pins. To be awaited before anything is evicted. */
  load(): Promise<void>;
  /** Begins to look after them. Call it when the store is counted. */
  start(): void;
  close(): Promise<void>;
}

export function createPinRoom(config: Config, { log, now }: AppDeps, rooms: PinRooms): PinRoom {
  const { index } = rooms;
  const file = createPinsFile({ log, now }, { path: join(config.cache.dir, 'pins.json') });
  const pins = createPins({ file, index, log, now });
  const { hasBlob, isContradicted } = rooms;
  const facts = createImageFacts({ hasBlob, isContradicted, isPinned: (uuid) => pins.isPinned(uuid) });

  const forgetImage: EvictionDeps['forgetImage'] = async (uuid, isUnwanted) => {
    if (pins.heldBy(uuid) !== undefined) return;
    rooms.keeper().forget(uuid);
    await rooms.kept().remove(uuid, () => isUnwanted() && pins.heldBy(uuid) === undefined);
    if (index.get(uuid) === undefined) rooms.onForgotten(uuid);
  };
  const forgetUnstored = async (uuid: ImageUuid): Promise<void> => {
    const image = index.get(uuid);
    if (image !== undefined) await forgetImage(uuid, () => !image.files.some(rooms.hasBlob));
  };
  const upkeep = createPinUpkeep(
    {
      pins,
      known: { all: async (channel) => rooms.known().all(channel) },
      facts,
      index,
      keeper: { keep: async (image) => rooms.keeper().keep(image) },
      forgetUnstored,
      log,
    },
    { everyMs: config.catalog.refreshEvery },
  );

  function update({ prefetch }: Config): void {
    const parsed = parseSelectors(prefetch.flatMap(({ pin, select }) => (pin ? select : [])));
    // The configuration's own check has refused what is wrong.
    if (parsed.ok) upkeep.setConfigured(parsed.selectors);
  }

  return {
    pins,
    facts,
    forEviction: { isPinned: (sha1) => pins.holdsBlob(sha1), heldBy: (uuid) => pins.heldBy(uuid), forgetImage },
    forgetUnstored,
    update,
    load: async () => pins.load(),
    start() {
      update(config);
      upkeep.start();
    },
    close: async () => upkeep.close(),
  };
}
