/** The trust room's records: facts of all images in a few rows, so that a start reads little, and one manifest per row. */
import { isJsonObject } from '../blobs/json-file.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ManifestJson } from '../imgapi/manifest.ts';
import type { BoundedKeyv } from './bounded-keyv.ts';
import { recordKey } from './record-key.ts';

/** Images are spread over so many rows by the first digit of their uuid: a new image rewrites one of them. */
export const FACT_BUCKETS = Array.from('0123456789abcdef');

/** Like all records: no call rejects, and what cannot be read counts as not there. What sets resolves with false where it may not have been written. */
export interface TrustRecords {
  /** The texts of all buckets, in their order; undefined for one that was never written or is lost. */
  facts(): Promise<readonly (string | undefined)[]>;
  setFacts(buckets: readonly { readonly bucket: string; readonly text: string }[]): Promise<boolean>;
  manifest(uuid: ImageUuid): Promise<ManifestJson | undefined>;
  setManifests(manifests: readonly { readonly uuid: ImageUuid; readonly json: ManifestJson }[]): Promise<boolean>;
  /** As `setConflicts` was given them; undefined if never. Not checked here. */
  conflicts(): Promise<unknown>;
  setConflicts(conflicts: unknown): Promise<boolean>;
}

const CONFLICTS = recordKey('trust-conflicts');

export function createTrustRecords({ keyv }: { readonly keyv: BoundedKeyv }): TrustRecords {
  return {
    facts: () =>
      Promise.all(
        FACT_BUCKETS.map(async (bucket) => {
          const text = await keyv.get(factsKey(bucket));
          return typeof text === 'string' ? text : undefined;
        }),
      ),
    setFacts: (buckets) => keyv.setMany(buckets.map(({ bucket, text }) => ({ key: factsKey(bucket), value: text }))),
    async manifest(uuid) {
      const json = await keyv.get(manifestKey(uuid));
      return isJsonObject(json) ? json : undefined;
    },
    setManifests: (manifests) =>
      keyv.setMany(manifests.map(({ uuid, json }) => ({ key: manifestKey(uuid), value: json }))),
    conflicts: () => keyv.get(CONFLICTS),
    setConflicts: (conflicts) => keyv.set(CONFLICTS, conflicts),
  };
}

function factsKey(bucket: string): string {
  return recordKey('trust-facts', bucket);
}

function manifestKey(uuid: ImageUuid): string {
  return recordKey('trust-manifest', uuid);
}
