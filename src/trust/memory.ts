/** What is remembered, in memory: the facts of every image, and the manifests that are in use. The others are read when needed. */
import type { Log } from '../config/log.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import type { TrustRecords } from '../records/trust-records.ts';
import { relationOf } from './file-facts.ts';
import type { Remembered } from './remembered.ts';
import { isSameJson } from './same-json.ts';

export interface Memory {
  readonly all: ReadonlyMap<ImageUuid, Remembered>;
  get(uuid: ImageUuid): Remembered | undefined;
  set(uuid: ImageUuid, remembered: Remembered): void;
  /** The remembered manifest, read if need be; undefined where it cannot be, which is logged. */
  recall(uuid: ImageUuid): Promise<Manifest | undefined>;
  recallAll(uuids: readonly ImageUuid[]): Promise<void>;
  /** See Trust.prepare. */
  share(upstream: string, manifests: readonly Manifest[], isSaved: boolean): Promise<readonly Manifest[]>;
}

export interface MemoryDeps {
  readonly records: TrustRecords;
  readonly kept: Pick<KeptManifests, 'get'>;
  readonly log: Log;
}

/** Manifests read from disk side by side. */
const RECALLS_AT_ONCE = 50;

export function createMemory({ records, kept, log }: MemoryDeps): Memory {
  const byUuid = new Map<ImageUuid, Remembered>();

  async function recall(uuid: ImageUuid): Promise<Manifest | undefined> {
    const known = byUuid.get(uuid);
    if (known === undefined || known.manifest !== undefined) return known?.manifest;
    const read = await readRemembered(uuid, known);
    const current = byUuid.get(uuid);
    // What was remembered meanwhile is newer.
    if (current?.manifest !== undefined) return current.manifest;
    if (read === undefined) log.error({ uuid }, 'a remembered manifest could not be read');
    else if (current === known) byUuid.set(uuid, { ...known, files: read.files, manifest: read });
    return read;
  }

  async function readRemembered(uuid: ImageUuid, { files }: Remembered): Promise<Manifest | undefined> {
    const soundOf = (json: unknown): Manifest | undefined => {
      const parsed = parseManifest(json, { requirePublished: false });
      const isIt = parsed.ok && parsed.manifest.uuid === uuid && relationOf(files, parsed.manifest.files) === 'same';
      return isIt ? parsed.manifest : undefined;
    };
    const recorded = soundOf(await records.manifest(uuid));
    if (recorded !== undefined) return recorded;
    try {
      return soundOf((await kept.get(uuid))?.manifest);
    } catch (error) {
      log.error({ err: error, uuid }, 'a kept manifest could not be read');
      return undefined;
    }
  }

  async function recallAll(uuids: readonly ImageUuid[]): Promise<void> {
    for (let at = 0; at < uuids.length; at += RECALLS_AT_ONCE)
      await Promise.all(uuids.slice(at, at + RECALLS_AT_ONCE).map(recall));
  }

  return {
    all: byUuid,
    get: (uuid) => byUuid.get(uuid),
    set: (uuid, remembered) => void byUuid.set(uuid, remembered),
    recall,
    recallAll,
    async share(upstream, manifests, isSaved) {
      const contradicted: ImageUuid[] = [];
      const shared = manifests.map((manifest) => {
        const { uuid, files } = manifest;
        const known = byUuid.get(uuid);
        if (known === undefined) return manifest;
        if (known.manifest !== undefined)
          return isSameJson(known.manifest.json, manifest.json) ? known.manifest : manifest;
        const relation = relationOf(known.files, files);
        if (relation === 'contradicts') contradicted.push(uuid);
        // The saved list and what is remembered were written together: nothing is to be written again.
        else if (isSaved && relation === 'same' && known.upstream === upstream)
          byUuid.set(uuid, { ...known, files, manifest });
        return manifest;
      });
      await recallAll(contradicted);
      return shared;
    },
  };
}
