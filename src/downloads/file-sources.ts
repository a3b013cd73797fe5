import type { Feed } from '../catalog/feed.ts';
import type { CatalogEntry } from '../catalog/merge.ts';
import type { Snapshot } from '../catalog/snapshot.ts';
import type { DownloadSource } from './wanted.ts';

/** An image as one channel shows it. */
export interface SourcedImage {
  readonly entry: CatalogEntry;
  readonly channel: string | undefined;
  /** The catalog as that channel sees it, if there is one yet. */
  readonly snapshot: Snapshot | undefined;
}

/** What is asked of an upstream's part of the catalog. */
export type SourceFeed = Pick<Feed, 'upstream' | 'channelFor'>;

/**
 * The upstreams to ask for an image's file: the image's owner first, then all that list the same SHA-1. May be none: an owner
 * that now says otherwise of the image is not asked, its bytes are others.
 */
export function fileSources(feeds: readonly SourceFeed[], image: SourcedImage, index: number): DownloadSource[] {
  const { manifest, upstream, upstreams } = image.entry;
  const sha1 = manifest.files[index]?.sha1;
  const others = sha1 === undefined ? [] : (image.snapshot?.sourcesOf(sha1) ?? []);
  const sources: DownloadSource[] = [];
  const own = upstreams.includes(upstream) ? [{ upstream, uuid: manifest.uuid, index }] : [];
  for (const place of [...own, ...others]) {
    const feed = feeds.find((candidate) => candidate.upstream.name === place.upstream);
    const target = feed?.channelFor(image.channel);
    const isKnown = sources.some((source) => source.upstream === feed?.upstream);
    if (feed === undefined || target?.kind !== 'ask' || isKnown) continue;
    sources.push({ upstream: feed.upstream, uuid: place.uuid, index: place.index, channel: target.channel });
  }
  return sources;
}
