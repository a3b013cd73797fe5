/** `pin`: keeps images, and all they rest on, from eviction. Fetches nothing: what is not cached yet is held once it is. */
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { chainsOf, keepManifests } from '../pins/keep-chains.ts';
import type { Pins } from '../pins/pins.ts';
import type { ImageIndex } from '../records/image-index.ts';
import type { Keeper } from '../records/keeper.ts';
import { labelOf, type ImageLabel } from './image-label.ts';
import type { Operation } from './operation.ts';
import type { Selection } from './selection.ts';

export interface PinInput {
  readonly selectors: readonly string[];
  readonly dryRun?: boolean;
}

export interface PinResult {
  readonly dryRun: boolean;
  /** Newly pinned. */
  readonly pinned: readonly ImageLabel[];
  /** Pinned by an operator before. */
  readonly already: readonly ImageLabel[];
  /** What all of these rest on: held with them, and let go of with them. */
  readonly origins: readonly ImageLabel[];
  readonly warnings: readonly string[];
}

export interface PinDeps {
  readonly selection: Pick<Selection, 'some' | 'one'>;
  readonly known: KnownImages;
  readonly pins: Pick<Pins, 'add' | 'sourcesOf'>;
  readonly index: Pick<ImageIndex, 'get'>;
  readonly keeper: Pick<Keeper, 'keep'>;
}

/** Origins in no list that are asked for at the upstreams, for one `pin`. */
const MAX_LOOKUPS = 50;

/** @throws MirrorError NothingSelected, ValidationFailed (a wrong selector, too many pins), InternalError (not written: nothing is pinned) */
export function createPin(deps: PinDeps): Operation<PinInput, PinResult> {
  return {
    async run({ selectors, dryRun = false }) {
      const { images, warnings } = await deps.selection.some(selectors);
      const uuids = images.map(({ manifest }) => manifest.uuid);
      const { images: listed } = await deps.known.all();
      const known = new Map([...listed, ...images].map((image) => [image.manifest.uuid, image]));
      const unknown = await findOrigins(uuids, known);
      const { origins } = chainsOf(uuids, known);
      const before = new Set(uuids.filter((uuid) => deps.pins.sourcesOf(uuid).includes('operator')));
      if (!dryRun) {
        // The manifests first: a pin without them would hold no file.
        await keepManifests([...uuids, ...origins], known, deps);
        await deps.pins.add(uuids, 'operator');
      }
      return {
        dryRun,
        pinned: images.filter(({ manifest }) => !before.has(manifest.uuid)).map(labelOf),
        already: images.filter(({ manifest }) => before.has(manifest.uuid)).map(labelOf),
        origins: origins.flatMap((uuid) => known.get(uuid) ?? []).map(labelOf),
        warnings: [...new Set([...warnings, ...unknown])],
      };
    },
  };

  /** Asks for origins that no list has, and adds them to what is known. @returns sentences about those that nobody has */
  async function findOrigins(uuids: readonly ImageUuid[], known: Map<ImageUuid, KnownImage>): Promise<string[]> {
    const failed = new Set<ImageUuid>();
    let lookups = 0;
    for (;;) {
      const next = chainsOf(uuids, known).missing.find((uuid) => !failed.has(uuid));
      if (next === undefined || lookups === MAX_LOOKUPS) break;
      lookups += 1;
      try {
        known.set(next, await deps.selection.one(next));
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        failed.add(next);
      }
    }
    return chainsOf(uuids, known).missing.map((uuid) => `origin ${uuid} is not known: it is not held before it is`);
  }
}
