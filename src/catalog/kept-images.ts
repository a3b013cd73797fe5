/**
 * The cached images as lists: what stands in for an upstream's list that is lost, and the images that came in bundles, which
 * are a list of their own, last in precedence, that no refresh touches.
 */
import { IMPORTED } from '../config/reserved-names.ts';
import type { Log } from '../config/log.ts';
import { isInChannel } from '../imgapi/channels.ts';
import type { ImageUuid, Sha1Hex } from '../imgapi/ids.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import type { KeptManifest, KeptManifests } from '../records/kept-manifests.ts';
import type { SavedImages } from './feed.ts';

export interface KeptImages {
  /** The images kept for an upstream of which a file is stored; an icon alone makes no image. */
  of(upstream: string): Promise<SavedImages>;
  /** Reads again which images were imported. Never rejects: what was known of them holds then. */
  loadImported(): Promise<void>;
  /** One of them is gone; false if it was none of them. */
  forgetImported(uuid: ImageUuid): boolean;
  /** Those a client sees that asks for `channel`; undefined: all. The same array until one comes or goes. */
  imported(channel: string | undefined): readonly Manifest[];
}

export interface KeptImagesDeps {
  readonly kept: KeptManifests;
  /** Asks the disk. */
  readonly isStored: (sha1: Sha1Hex, size: number) => Promise<boolean>;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
}

export function createKeptImages(deps: KeptImagesDeps): KeptImages {
  let imported: readonly Manifest[] = [];
  /** Channels are names that were checked: there are few. */
  const byChannel = new Map<string, readonly Manifest[]>();

  async function* storedOf(upstream: string): AsyncGenerator<KeptManifest & { readonly parsed: Manifest }> {
    for await (const kept of deps.kept.all()) {
      if (kept.upstream !== upstream) continue;
      const result = parseManifest(kept.manifest);
      if (result.ok && (await hasStoredFile(result.manifest))) yield { ...kept, parsed: result.manifest };
    }
  }

  async function hasStoredFile({ files }: Manifest): Promise<boolean> {
    for (const { sha1, size } of files) if (await deps.isStored(sha1, size)) return true;
    return false;
  }

  function replace(manifests: readonly Manifest[]): void {
    imported = manifests;
    byChannel.clear();
  }

  return {
    async of(upstream) {
      const images: unknown[] = [];
      let fetchedAtMs = deps.now();
      for await (const kept of storedOf(upstream)) {
        images.push(kept.manifest);
        fetchedAtMs = Math.min(fetchedAtMs, Date.parse(kept.fetchedAt));
      }
      return { images, fetchedAtMs };
    },

    async loadImported() {
      try {
        const found: Manifest[] = [];
        for await (const { parsed } of storedOf(IMPORTED)) found.push(parsed);
        replace(found);
      } catch (error) {
        deps.log.error({ err: error }, 'the imported images could not be listed');
      }
    },

    forgetImported(uuid) {
      const left = imported.filter((manifest) => manifest.uuid !== uuid);
      if (left.length === imported.length) return false;
      replace(left);
      return true;
    },

    imported(channel) {
      if (channel === undefined) return imported;
      const known = byChannel.get(channel);
      if (known !== undefined) return known;
      const found = imported.filter((manifest) => isInChannel(manifest, channel));
      byChannel.set(channel, found);
      return found;
    },
  };
}
