/** `unpin`: lets eviction take images again, and what they rest on as far as no other pin holds it. Removes no file. */
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import { chainsOf } from '../pins/keep-chains.ts';
import type { Pins } from '../pins/pins.ts';
import { labelOf, type ImageLabel } from './image-label.ts';
import type { Operation } from './operation.ts';
import type { Selection } from './selection.ts';

export interface UnpinInput {
  readonly selectors: readonly string[];
  readonly dryRun?: boolean;
}

/** An image that is held all the same. */
export interface StillHeld extends ImageLabel {
  /** The configuration pins it, or a pinned image rests on it. */
  readonly reason: 'config' | 'origin-of-pinned';
  /** That pinned image; for `config` the image itself. */
  readonly because: ImageUuid;
}

export interface UnpinResult {
  readonly dryRun: boolean;
  readonly unpinned: readonly ImageLabel[];
  /** Selected, and pinned by no operator. */
  readonly notPinned: readonly ImageLabel[];
  /** Of all that were selected. */
  readonly stillHeld: readonly StillHeld[];
  readonly warnings: readonly string[];
}

export interface UnpinDeps {
  readonly selection: Pick<Selection, 'some'>;
  readonly known: KnownImages;
  readonly pins: Pick<Pins, 'remove' | 'sourcesOf' | 'heldBy' | 'isPinned'>;
  /** Removes the kept manifest of an image nothing of which is stored, unless it is held. */
  readonly forgetUnstored: (uuid: ImageUuid) => Promise<void>;
}

/** @throws MirrorError NothingSelected, ValidationFailed (a wrong selector), InternalError (not written: nothing is unpinned) */
export function createUnpin(deps: UnpinDeps): Operation<UnpinInput, UnpinResult> {
  return {
    async run({ selectors, dryRun = false }) {
      // A pinned image can be let go of although nobody knows it any more.
      const named = selectors.flatMap((text) => {
        const uuid = text.trim().toLowerCase();
        return isImageUuid(uuid) && deps.pins.isPinned(uuid) ? [uuid] : [];
      });
      const others = selectors.filter((text) => !named.some((uuid) => uuid === text.trim().toLowerCase()));
      const selected = others.length === 0 ? { images: [], warnings: [] } : await deps.selection.some(others);
      const { images } = await deps.known.all();
      const known = new Map([...images, ...selected.images].map((image) => [image.manifest.uuid, image]));
      const uuids = [...new Set([...named, ...selected.images.map(({ manifest }) => manifest.uuid)])];
      const pinned = uuids.filter((uuid) => deps.pins.sourcesOf(uuid).includes('operator'));
      if (!dryRun) {
        await deps.pins.remove(pinned, 'operator');
        for (const uuid of [...pinned, ...chainsOf(pinned, known).origins]) await deps.forgetUnstored(uuid);
      }
      const label = (uuid: ImageUuid): ImageLabel => labelOfKnown(uuid, known);
      const gone = new Set(pinned);
      return {
        dryRun,
        unpinned: pinned.map(label),
        notPinned: uuids.filter((uuid) => !gone.has(uuid)).map(label),
        stillHeld: uuids.flatMap((uuid) => stillHeld(uuid, gone, label(uuid))),
        warnings: selected.warnings,
      };
    },
  };

  /** In a dry run the pins are still there: those that would go count as gone. */
  function stillHeld(uuid: ImageUuid, gone: ReadonlySet<ImageUuid>, label: ImageLabel): StillHeld[] {
    if (deps.pins.sourcesOf(uuid).includes('config')) return [{ ...label, reason: 'config', because: uuid }];
    const holder = deps.pins.heldBy(uuid);
    return holder === undefined || gone.has(holder) ? [] : [{ ...label, reason: 'origin-of-pinned', because: holder }];
  }
}

function labelOfKnown(uuid: ImageUuid, known: ReadonlyMap<ImageUuid, KnownImage>): ImageLabel {
  const image = known.get(uuid);
  return image === undefined ? { uuid, name: '', version: '' } : labelOf(image);
}
