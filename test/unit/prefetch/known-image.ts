/** Known images for tests of prefetching. */
import type { KnownImage } from '../../../src/catalog/known-images.ts';
import { filesOf, manifestOf, uuidOf } from '../../support/manifest-of.ts';

/** The nth image, with these contents as files, resting on the `origin`th. */
export function knownImage(n: number, contents: readonly string[], origin?: number): KnownImage {
  const rest = origin === undefined ? {} : { origin: uuidOf(origin) };
  const manifest = manifestOf({ uuid: uuidOf(n), name: `image-${n}`, files: filesOf(...contents), ...rest });
  return { manifest, upstream: 'up0', upstreams: ['up0'], isListed: true };
}
