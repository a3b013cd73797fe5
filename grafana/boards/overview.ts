/** Is it up, what does it save, is an upstream sick, will the disk last, is anything wrong with the bytes. */
import { createBoard, type Board } from './board.ts';
import { increase, of, ofUpstreams, quantile, rate, share, sum, sumBy } from './expressions.ts';
import { graph, stat } from './panel.ts';

const LAN = of('imgapi_mirror_file_response_bytes_total');
/** What cost the WAN nothing: stored files, and downloads that ran for others. */
const FREE = 'result=~"hit|join"';
const WAN = of('imgapi_mirror_upstream_response_bytes_total');
const FILES = of('imgapi_mirror_cache_results_total', 'kind="file"');
const FREE_FILES = of('imgapi_mirror_cache_results_total', 'kind="file"', FREE);
const FREE_BYTES = of('imgapi_mirror_file_response_bytes_total', FREE);
const REQUESTS = of('imgapi_mirror_http_requests_total');
const FAILED = of('imgapi_mirror_http_requests_total', 'code="5xx"');

/** 1 - part/whole; never below 0, as where more was prefetched than served. */
function saved(part: string, whole: string): string {
  return `clamp_min(1 - ${share(part, whole)}, 0)`;
}

export function overviewBoard(): Board {
  return createBoard({
    name: 'overview',
    title: 'Overview',
    description:
      'Is it up, what does it save, is an upstream sick, will the disk last, is anything wrong with the bytes.',
    hasUpstreams: true,
    rows: [
      { title: 'Now', panels: now() },
      { title: 'What it saves', panels: savings() },
      { title: 'What clients get', panels: clients() },
      { title: 'What goes wrong', panels: errors() },
    ],
  });
}

const now = () => [
  stat({
    title: 'Up',
    description: 'Whether Prometheus can scrape each mirror.',
    unit: 'state',
    width: 4,
    none: 'no mirror',
    words: { 1: { text: 'up', color: 'green' }, 0: { text: 'down', color: 'red' } },
    queries: { '{{instance}}': of('up') },
  }),
  stat({
    title: 'WAN saved',
    description: 'Share of the bytes of files sent to clients that did not come over the WAN, in the time shown.',
    unit: 'ratio',
    width: 4,
    decimals: 1,
    queries: { saved: saved(sum(increase(WAN)), sum(increase(LAN))) },
  }),
  stat({
    title: 'WAN bytes saved',
    description:
      'Bytes of files sent to clients less all bytes from upstreams; below 0 where more was prefetched than served.',
    unit: 'bytes',
    width: 4,
    queries: { saved: `${sum(increase(LAN))} - ${sum(increase(WAN))}` },
  }),
  stat({
    title: 'Upstreams in trouble',
    description: 'Upstreams with a breaker that is not closed: others are asked first.',
    unit: 'count',
    width: 4,
    steps: [{ from: 1, color: 'red' }],
    queries: {
      upstreams: `count(max by (upstream) (${of('imgapi_mirror_upstream_breaker_open')}) > 0) or vector(0)`,
    },
  }),
  stat({
    title: 'Free disk, least',
    description:
      'Bytes free beyond cache.minFreeBytes on the fullest mirror: below 0 new files are passed through uncached.',
    unit: 'bytes',
    width: 4,
    queries: { free: `min(${of('imgapi_mirror_cache_free_bytes')} - ${of('imgapi_mirror_cache_min_free_bytes')})` },
  }),
  stat({
    title: 'Wrong bytes',
    description:
      'Files that failed a check on arrival, and stored ones that had rotted, in the time shown. None was served to its end.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'red' }],
    queries: {
      files: [
        sum(increase(of('imgapi_mirror_integrity_checks_total', 'result!="right"'))),
        sum(increase(of('imgapi_mirror_scrubbed_blobs_total', 'result="rotted"'))),
      ].join(' + '),
    },
  }),
];

const savings = () => [
  graph({
    title: 'Throughput, LAN and WAN',
    description: 'Bytes per second to clients and from upstreams: the gap between them is what the mirror saves.',
    unit: 'bytesPerSecond',
    width: 12,
    queries: {
      'LAN: to clients': sum(rate(of('imgapi_mirror_http_response_bytes_total'))),
      'WAN: from upstreams': sum(rate(WAN)),
    },
  }),
  graph({
    title: 'Hit ratio of files',
    description:
      'Share of files, by their bytes and by their requests, that cost the WAN nothing: stored, or joined while they came.',
    unit: 'ratio',
    width: 12,
    max: 1,
    queries: {
      'by bytes': share(sum(rate(FREE_BYTES)), sum(rate(LAN))),
      'by requests': share(sum(rate(FREE_FILES)), sum(rate(FILES))),
    },
  }),
  graph({
    title: 'WAN by cause',
    description:
      'What bytes from upstreams were for; resume: those that came again because an upstream could not go on.',
    unit: 'bytesPerSecond',
    width: 12,
    isStacked: true,
    queries: { '{{cause}}': sumBy('cause', rate(ofUpstreams('imgapi_mirror_upstream_cause_bytes_total'))) },
  }),
  graph({
    title: 'WAN by upstream',
    description: 'Which upstreams the bytes came from, as they came over the wire.',
    unit: 'bytesPerSecond',
    width: 12,
    isStacked: true,
    queries: { '{{upstream}}': sumBy('upstream', rate(ofUpstreams('imgapi_mirror_upstream_response_bytes_total'))) },
  }),
];

const clients = () => [
  graph({
    title: 'First byte of files, median',
    description: 'From a file request to the first byte of its body, by cache result; a miss waits for an upstream.',
    unit: 'seconds',
    width: 8,
    queries: { '{{result}}': quantile(0.5, of('imgapi_mirror_file_first_byte_seconds_bucket'), 'result') },
  }),
  graph({
    title: 'First byte of files, slowest 5 %',
    description: 'One request in twenty waits longer than this for its first byte, by cache result.',
    unit: 'seconds',
    width: 8,
    queries: { '{{result}}': quantile(0.95, of('imgapi_mirror_file_first_byte_seconds_bucket'), 'result') },
  }),
  graph({
    title: 'Running downloads and followers',
    description:
      'Downloads under way, and the responses that read them while they grow: many followers cost one download.',
    unit: 'count',
    width: 8,
    queries: {
      downloads: sum(of('imgapi_mirror_downloads_running')),
      followers: sum(of('imgapi_mirror_download_followers')),
    },
  }),
  graph({
    title: 'Requests by route',
    description: 'Requests per second that are over, by what was asked for.',
    unit: 'requestsPerSecond',
    width: 12,
    isStacked: true,
    queries: { '{{route}}': sumBy('route', rate(REQUESTS)) },
  }),
  graph({
    title: 'Where answers came from',
    description: 'Answers by kind and cache result; stale: an upstream could not be asked; pass: no room on disk.',
    unit: 'requestsPerSecond',
    width: 12,
    isStacked: true,
    queries: { '{{kind}} {{result}}': sumBy('kind, result', rate(of('imgapi_mirror_cache_results_total'))) },
  }),
];

const errors = () => [
  graph({
    title: 'Failed requests',
    description: 'Share of requests that were answered 5xx, by route.',
    unit: 'ratio',
    width: 8,
    max: 1,
    queries: { '{{route}}': `${sumBy('route', rate(FAILED))} / (${sumBy('route', rate(REQUESTS))} > 0)` },
  }),
  graph({
    title: 'Broken off and refused',
    description:
      'Responses that did not reach their end (most clients that leave), and requests refused for their client.',
    unit: 'eventsPerSecond',
    width: 8,
    queries: {
      'broken off: {{route}}': sumBy('route', rate(of('imgapi_mirror_http_responses_aborted_total'))),
      'refused: {{reason}}': sumBy('reason', rate(of('imgapi_mirror_http_refused_total'))),
    },
  }),
  graph({
    title: 'Failed requests to upstreams',
    description: 'Requests to upstreams without an answer, or answered 5xx, by upstream; see the board of upstreams.',
    unit: 'requestsPerSecond',
    width: 8,
    queries: {
      '{{upstream}}': sumBy(
        'upstream',
        rate(ofUpstreams('imgapi_mirror_upstream_requests_total', 'result=~"5xx|connect|timeout|body"')),
      ),
    },
  }),
];
