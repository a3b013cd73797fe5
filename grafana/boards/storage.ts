/** Will the disk last, what goes from it and why, and is every byte on it right. */
import { createBoard, type Board } from './board.ts';
import { MIRROR, increase, of, perHour, quantile, rate, since, sum, sumBy } from './expressions.ts';
import { UNTOLD, graph, stat } from './panel.ts';

const MAX_BYTES = `(${of('imgapi_mirror_cache_max_bytes')} < +Inf)`;

export function storageBoard(): Board {
  return createBoard({
    name: 'storage',
    title: 'Storage and integrity',
    description: 'Will the disk last, what goes from it and why, and is every byte on it right.',
    rows: [
      { title: 'Room', panels: room() },
      { title: 'Downloads', panels: downloads() },
      { title: 'Prefetch', panels: prefetch() },
      { title: 'Integrity', panels: integrity() },
    ],
  });
}

const room = () => [
  stat({
    title: 'Used of cache.maxBytes',
    description: 'Share taken of it; files begin to go with 5 % (10 GiB at most) left, least recently used first.',
    unit: 'ratio',
    width: 3,
    decimals: 1,
    none: 'no limit',
    words: UNTOLD,
    steps: [{ from: 1, color: 'red' }],
    queries: { '{{instance}}': `${of('imgapi_mirror_cache_used_bytes')} / ${MAX_BYTES}` },
  }),
  stat({
    title: 'Stored bytes',
    description: 'Bytes of the files that are whole and checked.',
    unit: 'bytes',
    width: 4,
    queries: { '{{instance}}': of('imgapi_mirror_blob_bytes') },
  }),
  stat({
    title: 'Stored files',
    description: 'Files that are whole and checked; images share those they have in common.',
    unit: 'count',
    width: 3,
    queries: { '{{instance}}': of('imgapi_mirror_blobs') },
  }),
  stat({
    title: 'Quarantined files',
    description: 'Files that failed their SHA-1 and are kept for a look at them.',
    unit: 'count',
    width: 3,
    words: UNTOLD,
    steps: [{ from: 1, color: 'orange' }],
    queries: { '{{instance}}': of('imgapi_mirror_quarantined_files') },
  }),
  stat({
    title: 'Images in conflict',
    description: 'Images of which an upstream says other than what was first seen; that stays in force until accepted.',
    unit: 'count',
    width: 3,
    steps: [{ from: 1, color: 'orange' }],
    queries: { '{{instance}}': of('imgapi_mirror_catalog_conflicts') },
  }),
  stat({
    title: 'Since all was prefetched',
    description: 'Time since a prefetch last ended with everything there; not yet: none has since the start.',
    unit: 'seconds',
    width: 4,
    none: 'not yet',
    queries: { '{{instance}}': since(of('imgapi_mirror_prefetch_last_success_timestamp_seconds')) },
  }),
  stat({
    title: 'Cache directory',
    description:
      'Whether it can be written; while it cannot, or does not answer, files are passed through and not kept.',
    unit: 'state',
    width: 4,
    none: 'no mirror',
    words: { 1: { text: 'can be written', color: 'green' }, 0: { text: 'fails', color: 'red' } },
    queries: { '{{instance}}': of('imgapi_mirror_cache_writable') },
  }),
  graph({
    title: 'Cache and its limit',
    description: 'What counts towards cache.maxBytes, and the limit; no line where there is none.',
    unit: 'bytes',
    width: 8,
    queries: { '{{instance}} used': of('imgapi_mirror_cache_used_bytes'), '{{instance}} limit': MAX_BYTES },
  }),
  graph({
    title: 'Disk and its reserve',
    description: 'Free bytes of the file system, and cache.minFreeBytes, which is left free.',
    unit: 'bytes',
    width: 8,
    queries: {
      '{{instance}} free': of('imgapi_mirror_cache_free_bytes'),
      '{{instance}} kept free': of('imgapi_mirror_cache_min_free_bytes'),
    },
  }),
  graph({
    title: 'What is not a stored file',
    description: 'Bytes promised to running downloads, of unfinished ones, and in quarantine.',
    unit: 'bytes',
    width: 8,
    queries: {
      '{{instance}} promised': of('imgapi_mirror_cache_reserved_bytes'),
      '{{instance}} unfinished': of('imgapi_mirror_partial_bytes'),
      '{{instance}} quarantined': of('imgapi_mirror_quarantined_bytes'),
    },
  }),
  graph({
    title: 'Evicted bytes by reason',
    description:
      'Bytes freed per second; much of demand, again and again: the cache is too small for what is asked for.',
    unit: 'bytesPerSecond',
    width: 8,
    isStacked: true,
    queries: { '{{reason}}': sumBy('reason', rate(of('imgapi_mirror_evicted_bytes_total'))) },
  }),
  graph({
    title: 'Evictions by reason',
    description: 'Removed files; ahead: so that the next download need not wait; age: kept for long enough.',
    unit: 'perHour',
    width: 8,
    isStacked: true,
    queries: { '{{reason}}': sumBy('reason', perHour(of('imgapi_mirror_evictions_total'))) },
  }),
  graph({
    title: 'Since the cache was looked over',
    description: 'Time since it was last looked for what has to go; that is after every download, and every minute.',
    unit: 'seconds',
    width: 8,
    queries: { '{{instance}}': since(of('imgapi_mirror_eviction_last_run_timestamp_seconds')) },
  }),
];

const downloads = () => [
  graph({
    title: 'Downloads by result',
    description:
      'Disk: not kept, as it failed; mismatch: wrong bytes; absent: no upstream has it; aborted: with its last client, at a stop.',
    unit: 'perHour',
    width: 8,
    isStacked: true,
    queries: { '{{result}}': sumBy('result', perHour(of('imgapi_mirror_downloads_total'))) },
  }),
  graph({
    title: 'How long downloads take',
    description: 'From the start of a download to its end, whatever the result.',
    unit: 'seconds',
    width: 8,
    queries: {
      median: quantile(0.5, of('imgapi_mirror_download_duration_seconds_bucket')),
      'slowest 5 %': quantile(0.95, of('imgapi_mirror_download_duration_seconds_bucket')),
    },
  }),
  graph({
    title: 'Passed through',
    description:
      'Upstream streams of what has no place on disk; absent: no upstream has it; aborted: with the last client; alone: clients that fell behind one.',
    unit: 'perHour',
    width: 8,
    queries: {
      '{{result}}': sumBy('result', perHour(of('imgapi_mirror_pass_throughs_total'))),
      alone: sum(perHour(of('imgapi_mirror_pass_throughs_alone_total'))),
    },
  }),
  graph({
    title: 'Passed through now',
    description: 'Upstream streams under way of what has no place on disk; clients in step share one.',
    unit: 'count',
    width: 8,
    queries: { '{{instance}}': of('imgapi_mirror_pass_throughs_running') },
  }),
  graph({
    title: 'Resumed transfers',
    description:
      'Range: gone on at the byte asked for; skip: begun anew and skipped; partial: a file left on disk taken up.',
    unit: 'perHour',
    width: 8,
    queries: { '{{mode}}': sumBy('mode', perHour(of('imgapi_mirror_transfer_resumes_total'))) },
  }),
  graph({
    title: 'Bytes not fetched again',
    description: 'Bytes that were there when a transfer was gone on with; those of skip did come again.',
    unit: 'bytesPerSecond',
    width: 8,
    queries: { '{{mode}}': sumBy('mode', rate(of('imgapi_mirror_transfer_resumed_bytes_total'))) },
  }),
];

const prefetch = () => [
  stat({
    title: 'Prefetches failing',
    description: 'Entries of prefetch in the configuration whose last run failed; they are tried again.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 1, color: 'orange' }],
    queries: { '{{instance}}': of('imgapi_mirror_prefetch_failing') },
  }),
  stat({
    title: 'Hours too short',
    description: 'How many times in a row the hours of a prefetch ended before it was through; of several the most.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 3, color: 'orange' }],
    queries: { '{{instance}}': of('imgapi_mirror_prefetch_unfinished') },
  }),
  graph({
    title: 'Prefetched images',
    description: 'Images that prefetches were through with; already: nothing of it was missing.',
    unit: 'perHour',
    width: 8,
    isStacked: true,
    queries: { '{{result}}': sumBy('result', perHour(of('imgapi_mirror_prefetch_images_total'))) },
  }),
  graph({
    title: 'Prefetches that are over',
    description: 'Failed: an image failed, or it could not begin; stopped: its hours were over, it goes on next time.',
    unit: 'perHour',
    width: 8,
    isStacked: true,
    queries: { '{{result}}': sumBy('result', perHour(of('imgapi_mirror_prefetch_runs_total'))) },
  }),
];

const integrity = () => [
  stat({
    title: 'Wrong on arrival',
    description: 'Files from upstreams with wrong bytes, another length or a wrong Content-MD5, in the time shown.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'red' }],
    queries: {
      '{{result}}': sumBy('result', increase(of('imgapi_mirror_integrity_checks_total', 'result!="right"'))),
    },
  }),
  stat({
    title: 'Rotted on disk',
    description: 'Stored files that were no longer what arrived, found by scrub in the time shown.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'red' }],
    queries: { '{{instance}}': increase(of('imgapi_mirror_scrubbed_blobs_total', 'result="rotted"')) },
  }),
  stat({
    title: 'Since all was found right',
    description: 'Time since everything stored had been read again, and how often it is to be (cache.scrubEvery).',
    unit: 'seconds',
    width: 4,
    none: 'not yet',
    queries: {
      '{{instance}}': since(of('imgapi_mirror_scrub_last_success_timestamp_seconds')),
      '{{instance}} every': `${of('imgapi_mirror_scrub_interval_seconds')} < +Inf`,
    },
  }),
  stat({
    title: 'Scrub now',
    description: 'Whether a stored file is being read again just now; most of the time none is.',
    unit: 'state',
    width: 4,
    none: 'no mirror',
    words: { 0: { text: 'idle', color: 'green' }, 1: { text: 'reading', color: 'blue' } },
    queries: { '{{instance}}': of('imgapi_mirror_scrub_running') },
  }),
  stat({
    title: 'Not fetched anew',
    description: 'Rotted files that could not be fetched again, or are left to the next client, in the time shown.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'orange' }],
    queries: {
      '{{instance}}': sumBy(MIRROR, increase(of('imgapi_mirror_scrub_refetches_total', 'result=~"failed|left"'))),
    },
  }),
  stat({
    title: 'Accepted changes',
    description: 'Changes of images that an operator has accepted, in the time shown.',
    unit: 'count',
    width: 4,
    decimals: 0,
    queries: { '{{instance}}': increase(of('imgapi_mirror_trust_accepted_total')) },
  }),
  graph({
    title: 'Checks on arrival',
    description:
      'Files from upstreams by what was found; sha1: wrong bytes; size: another length; md5: a wrong Content-MD5.',
    unit: 'perHour',
    width: 8,
    isStacked: true,
    queries: { '{{result}}': sumBy('result', perHour(of('imgapi_mirror_integrity_checks_total'))) },
  }),
  graph({
    title: 'Scrub',
    description: 'Stored files read again, by what was found; repaired: only what was noted of it was wrong.',
    unit: 'perHour',
    width: 8,
    isStacked: true,
    queries: {
      '{{result}}': sumBy('result', perHour(of('imgapi_mirror_scrubbed_blobs_total'))),
      'fetched anew: {{result}}': sumBy('result', perHour(of('imgapi_mirror_scrub_refetches_total'))),
    },
  }),
  graph({
    title: 'Scrub throughput',
    description: 'Bytes of stored files read again per second, 32 MiB/s at most; nothing is read most of the time.',
    unit: 'bytesPerSecond',
    width: 8,
    queries: { '{{instance}}': rate(of('imgapi_mirror_scrubbed_bytes_total')) },
  }),
];
