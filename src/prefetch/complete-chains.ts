/** Asks for origins that are in no list: inactive ones are served only by uuid. */
import type { KnownImage } from '../catalog/known-images.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { orAborted } from './or-aborted.ts';

/** An image that is wanted and that nobody gives a manifest of. */
export interface Unresolvable {
  readonly uuid: ImageUuid;
  readonly reason: string;
  /** True: every upstream says that there is none; else it could not be told. */
  readonly absent: boolean;
}

export interface CompletedChains {
  /** The origins that were found, each once. */
  readonly found: readonly KnownImage[];
  readonly unresolvable: readonly Unresolvable[];
}

/** Origins that are asked for in one prefetch. */
const MAX_LOOKUPS = 1_000;

/**
 * Finds the missing origins, the origins of these, and so on.
 * @param isKnown whether an image is wanted already
 * @param find throws MirrorError where nobody has it or nobody can tell
 */
export async function completeChains(
  missing: readonly ImageUuid[],
  isKnown: (uuid: ImageUuid) => boolean,
  find: (uuid: ImageUuid) => Promise<KnownImage>,
  signal: AbortSignal,
): Promise<CompletedChains> {
  const found: KnownImage[] = [];
  const unresolvable: Unresolvable[] = [];
  const asked = new Set(missing);
  // A Set is walked to its end, what is added on the way included.
  for (const uuid of asked) {
    signal.throwIfAborted();
    const failure = await look(uuid);
    if (failure !== undefined) unresolvable.push({ uuid, ...failure });
  }
  return { found, unresolvable };

  /** Why it is not found; undefined if it is. */
  async function look(uuid: ImageUuid): Promise<Omit<Unresolvable, 'uuid'> | undefined> {
    if (found.length + unresolvable.length >= MAX_LOOKUPS) {
      return { reason: `more than ${MAX_LOOKUPS} origins are in no list`, absent: false };
    }
    try {
      const image = await orAborted(find(uuid), signal);
      found.push(image);
      const { origin } = image.manifest;
      if (origin !== undefined && !isKnown(origin)) asked.add(origin);
      return undefined;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MirrorError)) throw error;
      return { reason: error.message, absent: error.code === 'ResourceNotFound' };
    }
  }
}
