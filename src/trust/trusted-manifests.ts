/** Put around the kept manifests: whoever keeps one keeps with it what must not be lost with the records. */
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import type { KeptTrust, RemovableManifests } from '../records/kept-manifests.ts';

/** @param keptTrust asked at every `put`; undefined for an image that was never seen */
export function keepWithTrust(
  kept: RemovableManifests,
  keptTrust: (uuid: ImageUuid) => KeptTrust | undefined,
): RemovableManifests {
  return {
    ...kept,
    async put(one) {
      const { uuid } = one.manifest;
      // What has no uuid is refused there.
      const trust = isImageUuid(uuid) ? keptTrust(uuid) : undefined;
      await kept.put(trust === undefined ? one : { ...one, trust });
    },
  };
}
