/** What earlier runs have left of trust, checked: everything on disk may have been changed or cut short. */
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import { parseManifest } from '../imgapi/manifest.ts';
import { isKeptContradiction, type KeptManifest } from '../records/kept-manifests.ts';
import { readContradiction, type Contradiction } from './contradictions.ts';
import type { Remembered } from './remembered.ts';

export interface KeptImage {
  readonly uuid: ImageUuid;
  readonly remembered: Remembered;
  readonly contradictions: readonly Contradiction[];
}

/** What a kept manifest says; undefined where it is no sound image's. One from before there was trust was seen when fetched. */
export function readKept({ manifest: json, upstream, fetchedAt, trust }: KeptManifest): KeptImage | undefined {
  const parsed = parseManifest(json, { requirePublished: false });
  if (!parsed.ok) return undefined;
  const { manifest } = parsed;
  const { uuid, files } = manifest;
  const sinceMs = Date.parse(trust?.firstSeenAt ?? fetchedAt);
  const contradictions = (trust?.contradictions ?? []).flatMap((said) => readContradiction(uuid, said) ?? []);
  return { uuid, remembered: { files, upstream, sinceMs, manifest }, contradictions };
}

/** The conflicts as the records have them: pairs of a uuid and what upstreams say. What is unsound is left out. */
export function readSavedConflicts(saved: unknown): [ImageUuid, Contradiction][] {
  const found: [ImageUuid, Contradiction][] = [];
  for (const pair of Array.isArray(saved) ? saved : []) {
    const [uuid, said]: unknown[] = Array.isArray(pair) ? pair : [];
    if (!isImageUuid(uuid) || !Array.isArray(said)) continue;
    for (const one of said) {
      const contradiction = isKeptContradiction(one) ? readContradiction(uuid, one) : undefined;
      if (contradiction !== undefined) found.push([uuid, contradiction]);
    }
  }
  return found;
}
