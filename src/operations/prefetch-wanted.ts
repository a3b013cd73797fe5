/** What a prefetch is about: the images that are selected, and those of them that nobody can import for want of an origin. */
import type { KnownImage } from '../catalog/known-images.ts';
import { counted } from '../config/units.ts';
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
}

/** Images that a warning names. */
const MAX_NAMED = 5;

/**
 * What is selected, with the origins of it that are in no list, where the selector asks for origins. Where it does not, nobody is
 * asked for them, but it is said: an image without its origin is of no use, however well its own file was fetched.
 */
export async function collectWanted(
  deps: WantedDeps,
  selectors: readonly string[],
  signal: AbortSignal,
): Promise<Wanted> {
  const selected = await orAborted(deps.selection.some(selectors), signal);
  const wanted = new Set(selected.images.map(({ manifest }) => manifest.uuid));
  const { found, unresolvable } = await completeChains(
    selected.missingOrigins,
    (uuid) => wanted.has(uuid),
    async (uuid) => deps.selection.one(uuid),
    signal,
  );
  const images = [...selected.images, ...found];
  const known = new Map([...selected.among, ...found].map((image) => [image.manifest.uuid, image]));
  const endOf = ({ manifest }: KnownImage): ImageUuid | undefined => chainsOf([manifest.uuid], known).missing[0];
  const byEnd = Map.groupBy(images, endOf);
  const asked = new Set(unresolvable.map(({ uuid }) => uuid));
  const lacking = [...byEnd].flatMap(([end, resting]) => (end === undefined || asked.has(end) ? [] : resting));
  const told = new Set(selected.missingOrigins.map(unknownOrigin));
  return {
    images,
    unresolvable,
    lackingOrigin: unresolvable.flatMap(({ uuid }) => byEnd.get(uuid) ?? []),
    warnings: [
      ...selected.warnings.filter((warning) => !told.has(warning)),
      ...unresolvable.map(
        ({ uuid, reason }) =>
          `origin ${uuid} is not to be had (${reason}); without it nobody can import ${namesOf(byEnd.get(uuid) ?? [])}`,
      ),
      ...(lacking.length === 0
        ? []
        : [
            `no list that is known has the origin of ${counted(lacking.length, 'image')}: ${namesOf(lacking)}; without it nobody can import them, with-origins asks for it`,
          ]),
    ],
  };
}

function namesOf(images: readonly KnownImage[]): string {
  const names = images.slice(0, MAX_NAMED).map((image) => {
    const { name, version, uuid: imageUuid } = labelOf(image);
    return [name, version, imageUuid].filter((part) => part !== '').join(' ');
  });
  const more = images.length - names.length;
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
