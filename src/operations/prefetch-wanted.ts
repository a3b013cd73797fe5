/** What a prefetch is about: the images that are selected, and those of them that nobody can import for want of an origin. */
import type { KnownImage, KnownImages } from '../catalog/known-images.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { chainsOf } from '../pins/keep-chains.ts';
import { completeChains, type Unresolvable } from '../prefetch/complete-chains.ts';
import { orAborted } from '../prefetch/or-aborted.ts';
import { labelOf } from './image-label.ts';
import { unknownOrigin, type Selection } from './selection.ts';

export interface Wanted {
  readonly images: readonly KnownImage[];
  /** Origins that nobody gives a manifest of. */
  readonly unresolvable: readonly Unresolvable[];
  /** Those of the images that rest on one of these. */
  readonly lackingOrigin: readonly KnownImage[];
  readonly warnings: readonly string[];
}

export interface WantedDeps {
  readonly selection: Pick<Selection, 'some' | 'one'>;
  readonly known: KnownImages;
}

/** Images that a warning names. */
const MAX_NAMED = 5;

/**
 * What is selected, with the origins of it that are in no list, where the selector asks for origins. Where it does not, they are
 * looked for all the same: an image whose origin no upstream has is of no use, however well its own file was fetched.
 */
export async function collectWanted(
  deps: WantedDeps,
  selectors: readonly string[],
  signal: AbortSignal,
): Promise<Wanted> {
  const { images: selected, missingOrigins, warnings } = await orAborted(deps.selection.some(selectors), signal);
  const wanted = new Set(selected.map(({ manifest }) => manifest.uuid));
  const asked = await completeChains(
    missingOrigins,
    (uuid) => wanted.has(uuid),
    async (uuid) => deps.selection.one(uuid),
    signal,
  );
  const images = [...selected, ...asked.found];
  const { images: listed } = await orAborted(deps.known.all(), signal);
  const known = new Map([...listed, ...images].map((image) => [image.manifest.uuid, image]));
  const nowhere = await findNowhere(images, asked.unresolvable, known, deps, signal);
  const unresolvable = [...asked.unresolvable, ...nowhere];
  const endOf = ({ manifest }: KnownImage): ImageUuid | undefined => chainsOf([manifest.uuid], known).missing[0];
  const byEnd = Map.groupBy(images, endOf);
  const told = new Set(missingOrigins.map(unknownOrigin));
  return {
    images,
    unresolvable,
    lackingOrigin: unresolvable.flatMap(({ uuid }) => byEnd.get(uuid) ?? []),
    warnings: [
      ...warnings.filter((warning) => !told.has(warning)),
      ...unresolvable.map((origin) => lackOf(origin, byEnd.get(origin.uuid) ?? [])),
    ],
  };
}

/** The origins that every upstream has denied, of those that nobody has asked for; what is found of theirs is added to `known`. */
async function findNowhere(
  images: readonly KnownImage[],
  told: readonly Unresolvable[],
  known: Map<ImageUuid, KnownImage>,
  deps: WantedDeps,
  signal: AbortSignal,
): Promise<readonly Unresolvable[]> {
  const tops = images.map(({ manifest }) => manifest.uuid);
  const open = chainsOf(tops, known).missing.filter((uuid) => !told.some((origin) => origin.uuid === uuid));
  const { found, unresolvable } = await completeChains(
    open,
    () => false,
    async (uuid) => deps.selection.one(uuid),
    signal,
  );
  for (const image of found) known.set(image.manifest.uuid, image);
  // Who could not be asked may have it: nobody wanted it now.
  return unresolvable.filter(({ absent }) => absent);
}

function lackOf({ uuid, reason }: Unresolvable, images: readonly KnownImage[]): string {
  const names = images.slice(0, MAX_NAMED).map((image) => {
    const { name, version, uuid: imageUuid } = labelOf(image);
    return [name, version, imageUuid].filter((part) => part !== '').join(' ');
  });
  const more = images.length - names.length;
  const which = `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  return `origin ${uuid} is not to be had (${reason}); without it nobody can import ${which}`;
}
