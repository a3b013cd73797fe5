/** The metrics that are read off the rooms at every scrape, instead of being kept up to date by them. */
import { Counter, Gauge, type Registry } from 'prom-client';
import { REFRESH_RESULTS } from '../catalog/feed.ts';
import type { Gauges } from './gauge-sources.ts';

const BREAKER_VALUE = { closed: 0, 'half-open': 0.5, open: 1 } as const;

/**
 * Registers them. The function it returns reads every room once and sets them all: to be awaited before each scrape.
 * (Their own `collect` would not do: prom-client collects side by side, and reads some before others have set them.)
 */
export function registerGauges(registry: Registry, read: Gauges): () => Promise<void> {
  const registers = [registry];
  const plain = (name: string, help: string): Gauge => new Gauge({ name: `imgapi_mirror_${name}`, help, registers });
  const byUpstream = (name: string, help: string): Gauge<'upstream'> =>
    new Gauge({ name: `imgapi_mirror_${name}`, help, labelNames: ['upstream'], registers });

  const ready = plain('ready', '1 if the mirror can serve, as GET /_mirror/ready says; 0 if not');
  const writable = plain(
    'cache_writable',
    '1 if the cache directory could be written when it was last tried; 0 if not (what is not stored is passed through), or if it does not answer',
  );

  const running = plain('downloads_running', 'Downloads under way, those that wait for a free slot included');
  const followers = plain('download_followers', 'Responses that follow a running download');
  const passing = plain(
    'pass_throughs_running',
    'Upstream streams of transfers without a place on disk that are under way; they are no downloads',
  );

  const blobs = plain('blobs', 'Stored blobs');
  const bytes = plain('blob_bytes', 'Bytes of the stored blobs');
  const maxBytes = plain('cache_max_bytes', 'cache.maxBytes; +Inf if there is no limit');
  const minFree = plain('cache_min_free_bytes', 'cache.minFreeBytes');
  const free = plain('cache_free_bytes', 'Free bytes of the file system the cache is on');
  const reserved = plain('cache_reserved_bytes', 'Bytes promised to running downloads');

  const used = plain('cache_used_bytes', 'What counts towards cache.maxBytes now, running downloads left out');
  const partial = plain('partial_bytes', 'Bytes of unfinished downloads, running or kept for resuming');
  const quarantinedFiles = plain('quarantined_files', 'Files that failed their SHA-1 and are kept for a while');
  const quarantinedBytes = plain('quarantined_bytes', 'Bytes of the quarantined files');
  const evictionRun = plain(
    'eviction_last_run_timestamp_seconds',
    'When the cache was last looked over for what has to go; NaN if it never was',
  );

  const scrubRunning = plain('scrub_running', '1 while a stored blob is read again');
  const scrubSuccess = plain(
    'scrub_last_success_timestamp_seconds',
    'When everything stored was last found to have been read again and right since the time before; NaN if it never was',
  );

  const scrubInterval = plain(
    'scrub_interval_seconds',
    'cache.scrubEvery; +Inf if only the command scrub reads them again',
  );

  const negatives = plain(
    'negative_entries',
    'Remembered "no upstream has this image", those of earlier runs left out',
  );
  const images = plain('catalog_images', 'Images in the merged catalog that clients see by default');
  const conflicts = plain(
    'catalog_conflicts',
    'Images of which an upstream says other SHA-1s or sizes than what was first seen or accepted, which stays in force',
  );
  const refreshInterval = plain('catalog_refresh_interval_seconds', 'catalog.refreshEvery');
  const listed = byUpstream('upstream_images', 'Images in the newest good list of an upstream');
  const up = byUpstream(
    'upstream_up',
    '1 if it answered below 500 when it was last asked for its list, be it with no list; NaN if it was not asked, as offline',
  );
  const listHeld = byUpstream(
    'upstream_list_held',
    '1 while the newest list of an upstream is one that was empty or shrank and was not taken; 0 otherwise',
  );
  const age = byUpstream('upstream_list_age_seconds', 'Since its list was last confirmed; NaN if it never was');
  const dropped = byUpstream('upstream_list_dropped_entries', 'Bad entries dropped from its newest list');
  const breakers = new Gauge({
    name: 'imgapi_mirror_upstream_breaker_open',
    help: '1: the upstream has failed lately and others are asked first; 0.5: half-open, the next request tries it; 0: closed',
    labelNames: ['upstream', 'kind'],
    registers,
  });
  const bandwidth = byUpstream(
    'upstream_bandwidth_limit_bytes_per_second',
    'The limit of upstreams[].bandwidth in force now, for all file transfers together; +Inf if there is none',
  );
  const throttled = new Counter({
    name: 'imgapi_mirror_upstream_throttled_seconds_total',
    help: 'How long file transfers were held back by a bandwidth limit, or for the sake of clients; each transfer by itself',
    labelNames: ['upstream'],
    registers,
  });
  const refreshes = new Counter({
    name: 'imgapi_mirror_catalog_refreshes_total',
    help: 'Refreshes of lists that have ended; failed: no answer, or a 5xx; useless: an answer, but no list; held: a list that was empty or shrank and was not taken',
    labelNames: ['upstream', 'result'],
    registers,
  });

  const prefetchRuns = new Counter({
    name: 'imgapi_mirror_prefetch_runs_total',
    help: 'Prefetches that are over, by who began them; failed: an image failed, or it could not begin; stopped: it goes on next time',
    labelNames: ['by', 'result'],
    registers,
  });
  const prefetchImages = new Counter({
    name: 'imgapi_mirror_prefetch_images_total',
    help: 'Images that prefetches were through with; already: nothing of it was missing',
    labelNames: ['result'],
    registers,
  });
  const prefetchFailing = plain(
    'prefetch_failing',
    'Entries of prefetch whose last run failed: it is tried again after half an hour at most, within its hours',
  );
  const prefetchUnfinished = plain(
    'prefetch_unfinished',
    'How many times in a row the hours of an entry of prefetch have ended before it was through, since the start; of several the most',
  );
  const prefetchedAt = plain(
    'prefetch_last_success_timestamp_seconds',
    'When a prefetch last ended with everything there; NaN if none did since the start',
  );

  const certificateEnd = plain(
    'tls_certificate_expiry_timestamp_seconds',
    'Until when the certificate that clients are shown is valid; NaN without HTTPS',
  );

  return async () => {
    // Side by side: each may wait a moment for the disk.
    const [storage, readiness] = await Promise.all([read.storage(), read.readiness()]);
    ready.set(Number(readiness.isReady));
    writable.set(Number(readiness.isWritable));

    blobs.set(storage.blobs);
    bytes.set(storage.bytes);
    maxBytes.set(storage.maxBytes ?? Number.POSITIVE_INFINITY);
    minFree.set(storage.minFreeBytes);
    free.set(storage.freeBytes);
    reserved.set(storage.reservedBytes);
    used.set(storage.usedBytes);
    partial.set(storage.partialBytes);
    quarantinedFiles.set(storage.quarantinedFiles);
    quarantinedBytes.set(storage.quarantinedBytes);
    evictionRun.set(storage.evictionRanAtMs === undefined ? Number.NaN : storage.evictionRanAtMs / 1000);

    const scrub = read.scrub();
    scrubRunning.set(scrub.isReading ? 1 : 0);
    scrubInterval.set(scrub.everyMs === 0 ? Number.POSITIVE_INFINITY : scrub.everyMs / 1000);
    scrubSuccess.set(scrub.succeededAtMs === undefined ? Number.NaN : scrub.succeededAtMs / 1000);

    certificateEnd.set((read.certificateExpiresAtMs() ?? Number.NaN) / 1000);

    const downloads = read.downloads();
    running.set(downloads.running);
    followers.set(downloads.followers);
    passing.set(downloads.passing);

    negatives.set(read.negatives());
    for (const { upstream, kind, state } of read.breakers()) breakers.set({ upstream, kind }, BREAKER_VALUE[state]);

    const prefetch = read.prefetch();
    prefetchRuns.reset();
    prefetchImages.reset();
    for (const [by, runs] of Object.entries(prefetch.runs)) {
      for (const [result, count] of Object.entries(runs)) prefetchRuns.inc({ by, result }, count);
    }
    for (const [result, count] of Object.entries(prefetch.images)) prefetchImages.inc({ result }, count);
    prefetchFailing.set(prefetch.failing);
    prefetchUnfinished.set(prefetch.unfinished);
    prefetchedAt.set(prefetch.succeededAtMs === undefined ? Number.NaN : prefetch.succeededAtMs / 1000);

    throttled.reset();
    for (const { upstream, limit, throttledSeconds } of read.bandwidths()) {
      bandwidth.set({ upstream }, limit ?? Number.POSITIVE_INFINITY);
      throttled.inc({ upstream }, throttledSeconds);
    }

    const catalog = read.catalog();
    refreshInterval.set(catalog.refreshEveryMs / 1000);
    images.set(catalog.images);
    conflicts.set(catalog.conflicts);
    refreshes.reset();
    for (const { upstream, ...state } of catalog.upstreams) {
      listed.set({ upstream }, state.images);
      up.set({ upstream }, state.isUp === undefined ? Number.NaN : Number(state.isUp));
      listHeld.set({ upstream }, state.isHeld ? 1 : 0);
      age.set({ upstream }, state.ageSeconds ?? Number.NaN);
      dropped.set({ upstream }, state.dropped);
      for (const result of REFRESH_RESULTS) refreshes.inc({ upstream, result }, state.refreshes[result]);
    }
  };
}
