/** The metrics that are read off the rooms at every scrape, instead of being kept up to date by them. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { REFRESH_RESULTS, type Gauges } from './metrics.ts';

/** Registers them; one look at each room per scrape. */
export function registerGauges(registry: Registry, read: Gauges): void {
  const registers = [registry];
  const plain = (name: string, help: string): Gauge => new Gauge({ name: `imgapi_mirror_${name}`, help, registers });
  const byUpstream = (name: string, help: string): Gauge<'upstream'> =>
    new Gauge({ name: `imgapi_mirror_${name}`, help, labelNames: ['upstream'], registers });

  const followers = plain('download_followers', 'Responses that follow a running download');
  const running = new Gauge({
    name: 'imgapi_mirror_downloads_running',
    help: 'Downloads under way, those that wait for a free slot included',
    registers,
    collect() {
      const now = read.downloads();
      running.set(now.running);
      followers.set(now.followers);
    },
  });

  const bytes = plain('blob_bytes', 'Bytes of the stored blobs');
  const maxBytes = plain('cache_max_bytes', 'cache.maxBytes; +Inf if there is no limit');
  const minFree = plain('cache_min_free_bytes', 'cache.minFreeBytes');
  const free = plain('cache_free_bytes', 'Free bytes of the file system the cache is on');
  const reserved = plain('cache_reserved_bytes', 'Bytes promised to running downloads');
  const blobs = new Gauge({
    name: 'imgapi_mirror_blobs',
    help: 'Stored blobs',
    registers,
    async collect() {
      const now = await read.storage();
      blobs.set(now.blobs);
      bytes.set(now.bytes);
      maxBytes.set(now.maxBytes ?? Number.POSITIVE_INFINITY);
      minFree.set(now.minFreeBytes);
      free.set(now.freeBytes);
      reserved.set(now.reservedBytes);
    },
  });

  const conflicts = plain('catalog_conflicts', 'Images whose upstreams disagree on a SHA-1 now');
  const listed = byUpstream('upstream_images', 'Images in the newest good list of an upstream');
  const up = byUpstream('upstream_up', '1 if the last refresh of its list went well');
  const age = byUpstream('upstream_list_age_seconds', 'Since its list was last confirmed; NaN if it never was');
  const dropped = byUpstream('upstream_list_dropped_entries', 'Bad entries dropped from its newest list');
  const refreshes = new Counter({
    name: 'imgapi_mirror_catalog_refreshes_total',
    help: 'Refreshes of lists that have ended; held: a list that was empty or shrank and was not taken',
    labelNames: ['upstream', 'result'],
    registers,
  });
  const images = new Gauge({
    name: 'imgapi_mirror_catalog_images',
    help: 'Images in the merged catalog that clients see by default',
    registers,
    collect() {
      const now = read.catalog();
      images.set(now.images);
      conflicts.set(now.conflicts);
      refreshes.reset();
      for (const { upstream, ...state } of now.upstreams) {
        listed.set({ upstream }, state.images);
        up.set({ upstream }, state.isUp ? 1 : 0);
        age.set({ upstream }, state.ageSeconds ?? Number.NaN);
        dropped.set({ upstream }, state.dropped);
        for (const result of REFRESH_RESULTS) refreshes.inc({ upstream, result }, state.refreshes[result]);
      }
    },
  });
}
