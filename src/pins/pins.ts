/**
 * Pinned images. Eviction takes neither them nor anything they rest on: a pin holds the files and icons of the whole
 * chain of origins, as far as the kept manifests tell it.
 */
import type { ImageBlobs } from '../blobs/eviction-ranking.ts';
import { createKeyedLock } from '../blobs/keyed-lock.ts';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { MAX_PINS, PIN_SOURCES, type Pin, type PinsFile, type PinSource } from './pins-file.ts';

export type { Pin, PinSource } from './pins-file.ts';

export interface Pins {
  /** Reads the file. Never rejects: while it cannot be read, everything counts as held, so that nothing pinned is lost. */
  load(): Promise<void>;
  /** In the order they were made. */
  all(): readonly Pin[];
  isPinned(uuid: ImageUuid): boolean;
  /** Who pinned it; empty if nobody did. */
  sourcesOf(uuid: ImageUuid): readonly PinSource[];
  /** The pinned image that holds this one: itself, or one that rests on it; undefined if none does. */
  heldBy(uuid: ImageUuid): ImageUuid | undefined;
  /** True if it is a file or an icon of an image that is held. */
  holdsBlob(sha1: Sha1Hex): boolean;
  /**
   * @returns those that were not pinned by this source before
   * @throws MirrorError InternalError if it cannot be written down, ValidationFailed if that were too many; nothing is changed then
   */
  add(uuids: Iterable<ImageUuid>, by: PinSource): Promise<readonly ImageUuid[]>;
  /** @returns those that this source had pinned. @throws MirrorError InternalError; nothing is changed then */
  remove(uuids: Iterable<ImageUuid>, by: PinSource): Promise<readonly ImageUuid[]>;
}

export interface PinsDeps {
  readonly file: PinsFile;
  /** The kept manifests, as blobs. */
  readonly index: { get(uuid: ImageUuid): ImageBlobs | undefined; readonly changes: number };
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** By uuid, then by who pinned it. */
type PinMap = ReadonlyMap<ImageUuid, ReadonlyMap<PinSource, Pin>>;

/** What the pins hold, for one state of them and of the kept manifests. */
interface Held {
  readonly pins: PinMap;
  readonly changes: number;
  readonly images: ReadonlyMap<ImageUuid, ImageUuid>;
  readonly blobs: ReadonlySet<Sha1Hex>;
}

export function createPins({ file, index, log, now }: PinsDeps): Pins {
  const lock = createKeyedLock();
  /** Undefined: not read yet. */
  let pins: PinMap | undefined;
  let held: Held | undefined;

  function current(): PinMap {
    return pins ?? new Map();
  }

  async function read(): Promise<PinMap> {
    pins ??= mapOf(await file.read());
    return pins;
  }

  /** Computed when asked for and something has changed: eviction asks for thousands of blobs in a row. */
  function heldNow(): Held {
    const inForce = current();
    if (held === undefined || held.pins !== inForce || held.changes !== index.changes) {
      held = { pins: inForce, changes: index.changes, ...holdingsOf(inForce.keys(), (uuid) => index.get(uuid)) };
    }
    return held;
  }

  /** One change after the other: written down first, in force then. */
  async function change<T>(
    decide: (before: PinMap) => { readonly next: readonly Pin[]; readonly result: T },
  ): Promise<T> {
    return lock.run('pins', async () => {
      const before = await read();
      const { next, result } = decide(before);
      const count = [...before.values()].reduce((sum, sources) => sum + sources.size, 0);
      if (next.length > MAX_PINS) {
        throw new MirrorError('ValidationFailed', `${next.length} pins; at most ${MAX_PINS} are possible`);
      }
      // Both only add or only take away: the same number is the same pins.
      if (next.length !== count) {
        await file.write(next);
        pins = mapOf(next);
      }
      return result;
    });
  }

  return {
    async load() {
      try {
        await lock.run('pins', read);
      } catch (error) {
        log.error({ err: error }, 'pins are not known: nothing is evicted until they can be read');
      }
    },
    all: () => listOf(current()),
    isPinned: (uuid) => current().has(uuid),
    sourcesOf: (uuid) => PIN_SOURCES.filter((source) => current().get(uuid)?.has(source) === true),
    heldBy: (uuid) => (pins === undefined ? uuid : heldNow().images.get(uuid)),
    holdsBlob: (sha1) => pins === undefined || heldNow().blobs.has(sha1),
    add: async (uuids, by) =>
      change((before) => {
        const since = new Date(now()).toISOString();
        const result = [...new Set(uuids)].filter((uuid) => before.get(uuid)?.has(by) !== true);
        return { next: [...listOf(before), ...result.map((uuid) => ({ uuid, since, by }))], result };
      }),
    remove: async (uuids, by) =>
      change((before) => {
        const result = [...new Set(uuids)].filter((uuid) => before.get(uuid)?.has(by) === true);
        const gone = new Set(result);
        return { next: listOf(before).filter((pin) => pin.by !== by || !gone.has(pin.uuid)), result };
      }),
  };
}

/** What some images hold: themselves and the chain below each, with all files and icons. Circles end. */
function holdingsOf(
  uuids: Iterable<ImageUuid>,
  imageOf: (uuid: ImageUuid) => ImageBlobs | undefined,
): Pick<Held, 'images' | 'blobs'> {
  const images = new Map<ImageUuid, ImageUuid>();
  const blobs = new Set<Sha1Hex>();
  // The pinned ones first: they are held by themselves.
  const pinned = [...uuids];
  for (const uuid of pinned) images.set(uuid, uuid);
  for (const uuid of pinned) {
    let image = imageOf(uuid);
    while (image !== undefined) {
      for (const sha1 of image.files) blobs.add(sha1);
      if (image.icon !== undefined) blobs.add(image.icon);
      // What is held already, with all below it, or will be when its turn comes.
      if (image.origin === undefined || images.has(image.origin)) break;
      images.set(image.origin, uuid);
      image = imageOf(image.origin);
    }
  }
  return { images, blobs };
}

function listOf(pins: PinMap): Pin[] {
  return [...pins.values()].flatMap((sources) => Array.from(sources.values()));
}

function mapOf(pins: readonly Pin[]): PinMap {
  const byUuid = new Map<ImageUuid, Map<PinSource, Pin>>();
  for (const pin of pins) {
    const sources = byUuid.get(pin.uuid) ?? new Map<PinSource, Pin>();
    if (!sources.has(pin.by)) sources.set(pin.by, pin);
    byUuid.set(pin.uuid, sources);
  }
  return byUuid;
}
