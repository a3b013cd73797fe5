/** Which upstreams say something else of an image than what is remembered, now. */
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import type { KeptContradiction } from '../records/kept-manifests.ts';
import { relationOf } from './file-facts.ts';
import { isSameJson } from './same-json.ts';

export interface Contradiction {
  readonly upstream: string;
  /** What it says, whole: it can be accepted while the upstream is away. */
  readonly manifest: Manifest;
  /** Since when it says so, ms since the epoch. */
  readonly sinceMs: number;
  readonly origin: 'list' | 'lookup';
  /** The view of the catalog whose list said so; undefined for a look-up, and after a restart. */
  readonly view: string | undefined;
}

export interface Contradictions {
  /** Images with at least one. */
  readonly size: number;
  uuids(): readonly ImageUuid[];
  /** In no order. */
  of(uuid: ImageUuid): readonly Contradiction[];
  has(uuid: ImageUuid, upstream: string): boolean;
  /** Sets what one upstream says; its time stays where it said the same before. @returns whether anything changed */
  set(uuid: ImageUuid, said: Contradiction): boolean;
  /** @returns whether there was one */
  delete(uuid: ImageUuid, upstream: string): boolean;
}

export function createContradictions(): Contradictions {
  const byUuid = new Map<ImageUuid, Map<string, Contradiction>>();
  return {
    get size() {
      return byUuid.size;
    },
    uuids: () => [...byUuid.keys()],
    of: (uuid) => [...(byUuid.get(uuid)?.values() ?? [])],
    has: (uuid, upstream) => byUuid.get(uuid)?.has(upstream) === true,
    set(uuid, said) {
      const known = byUuid.get(uuid);
      const before = known?.get(said.upstream);
      const isSame = before !== undefined && relationOf(before.manifest.files, said.manifest.files) === 'same';
      const next = isSame ? { ...said, sinceMs: before.sinceMs } : said;
      if (known === undefined) byUuid.set(uuid, new Map([[said.upstream, next]]));
      else known.set(said.upstream, next);
      return !isSame || !isSameJson(before.manifest.json, said.manifest.json);
    },
    delete(uuid, upstream) {
      const known = byUuid.get(uuid);
      const isDeleted = known?.delete(upstream) === true;
      if (known?.size === 0) byUuid.delete(uuid);
      return isDeleted;
    },
  };
}

export function keptContradiction({ upstream, sinceMs, origin, manifest }: Contradiction): KeptContradiction {
  return { upstream, since: new Date(sinceMs).toISOString(), origin, manifest: manifest.json };
}

/** Undefined where its manifest is unsound or another image's. */
export function readContradiction(uuid: ImageUuid, kept: KeptContradiction): Contradiction | undefined {
  const parsed = parseManifest(kept.manifest, { requirePublished: false });
  if (!parsed.ok || parsed.manifest.uuid !== uuid) return undefined;
  const { upstream, origin } = kept;
  return { upstream, origin, manifest: parsed.manifest, sinceMs: Date.parse(kept.since), view: undefined };
}
