/** Is it up, what does it save, is an upstream sick, will the disk last, is anything wrong with the bytes. */
import { createBoard, type Board } from './board.ts';
import { DISK_STATES, MIRROR_STATES, ROOM_LEFT, SICK_UPSTREAMS } from './conditions.ts';
import { MIRROR, increase, of, ofUpstreams, quantile, rate, share, sum, sumBy } from './expressions.ts';
import { UNTOLD, graph, stat } from './panel.ts';

const SENT = 'imgapi_mirror_file_response_bytes_total';
/** Of those, what went out in answers that the mirror then broke off: whoever got it has to ask again. */
const BROKEN = 'imgapi_mirror_file_broken_bytes_total';
/** What cost the WAN nothing: stored files, and downloads that ran for others. */
const FREE = 'result=~"hit|join"';
const WAN = of('imgapi_mirror_upstream_response_bytes_total');
const FILES = of('imgapi_mirror_cache_results_total', 'kind="file"');
const FREE_FILES = of('imgapi_mirror_cache_results_total', 'kind="file"', FREE);
const REQUESTS = 'imgapi_mirror_http_requests_total';
const FAILED = 'code=~"5xx|broken"';
/** What is refused on purpose, such as a flood of unknown uuids, is no measure of how well the rest is served. */
const ANSWERED = 'code!="refused"';
/** What hosts ask for; the rest is for operators and their programs. */
const OF_HOSTS = 'route=~"images|image|file|icon|channels"';
const UPSTREAM_REQUESTS = 'imgapi_mirror_upstream_requests_total';

/** 1 - part/whole; never below 0, as where more was prefetched than served. */
function saved(part: string, whole: string): string {
  return `clamp_min(1 - ${share(part, whole)}, 0)`;
}

/**
 * Bytes of files that clients can use, `over` being `increase` or `rate`. Sent bytes count as they go out, broken ones at the end of
 * their answer: in a short time these may be more.
 */
function served(over: (series: string) => string, ...matchers: readonly string[]): string {
  return `clamp_min(${sum(over(of(SENT, ...matchers)))} - ${sum(over(of(BROKEN, ...matchers)))}, 0)`;
}

/** By mirror, over the time shown. */
function perMirror(series: string): string {
  return sumBy(MIRROR, increase(series));
}

export function overviewBoard(): Board {
  return createBoard({
    name: 'overview',
    title: 'Overview',
    description:
      'Is it up, what does it save, is an upstream sick, will the disk last, is anything wrong with the bytes.',
    hasUpstreams: true,
    rows: [
      { title: 'Is it up, what does it save, is an upstream sick', panels: now() },
      { title: 'Will the disk last, is anything wrong with the bytes', panels: diskAndBytes() },
      { title: 'What it saves', panels: savings() },
      { title: 'What clients get', panels: clients() },
      { title: 'What becomes of the disk', panels: disk() },
      { title: 'What goes wrong', panels: errors() },
    ],
  });
}

const now = () => [
  stat({
    title: 'Up',
    description: 'Whether Prometheus can scrape each mirror, and whether it can serve (/_mirror/ready).',
    unit: 'state',
    width: 4,
    none: 'no mirror',
    words: {
      1: { text: 'up', color: 'green' },
      0.5: { text: 'not ready', color: 'red' },
      0: { text: 'down', color: 'red' },
    },
    leadsTo: 'process',
    queries: { '{{instance}}': MIRROR_STATES },
  }),
  stat({
    title: 'Answered with an error',
    description:
      'Share of what hosts asked for that was answered 5xx, or broken off by the mirror, in the time shown; lists, manifests and files.',
    unit: 'ratio',
    width: 4,
    decimals: 1,
    none: 'nothing asked',
    steps: [
      { from: 0.01, color: 'yellow' },
      { from: 0.05, color: 'red' },
    ],
    queries: {
      '{{instance}}': share(perMirror(of(REQUESTS, OF_HOSTS, FAILED)), perMirror(of(REQUESTS, OF_HOSTS, ANSWERED))),
    },
  }),
  stat({
    title: 'WAN saved',
    description:
      'Share of the bytes of files sent to clients, and not broken off, that did not come over the WAN, in the time shown.',
    unit: 'ratio',
    width: 4,
    decimals: 1,
    none: 'nothing served',
    queries: { saved: saved(sum(increase(WAN)), served(increase)) },
  }),
  stat({
    title: 'WAN bytes saved',
    description:
      'Bytes of files sent, and not broken off, less all bytes from upstreams, in the time shown; below 0 after prefetches.',
    unit: 'bytes',
    width: 4,
    color: 'yellow',
    steps: [{ from: 0, color: 'green' }],
    queries: { saved: `${served(increase)} - ${sum(increase(WAN))}` },
  }),
  stat({
    title: 'Upstreams in trouble',
    description:
      'Down, or its list unconfirmed for three refreshes, or a breaker open: others are asked first. Each once.',
    unit: 'count',
    width: 4,
    decimals: 0,
    none: 'no mirror',
    steps: [{ from: 1, color: 'red' }],
    leadsTo: 'upstreams',
    queries: { '{{instance}}': SICK_UPSTREAMS },
  }),
  stat({
    title: 'Oldest list',
    description: 'Time since the upstream that is longest silent confirmed its list; hosts see no newer images of it.',
    unit: 'seconds',
    width: 4,
    none: 'none confirmed',
    leadsTo: 'upstreams',
    queries: { '{{instance}}': `max by (${MIRROR}) (${ofUpstreams('imgapi_mirror_upstream_list_age_seconds')})` },
  }),
];

const diskAndBytes = () => [
  stat({
    title: 'Disk',
    description:
      'Nearly full: eviction finds nothing more that may go; fails: it cannot be written, or does not answer.',
    unit: 'state',
    width: 4,
    none: 'no mirror',
    words: {
      0: { text: 'has room', color: 'green' },
      1: { text: 'nearly full', color: 'red' },
      2: { text: 'nearly full', color: 'red' },
      3: { text: 'fails', color: 'red' },
      ...UNTOLD,
    },
    leadsTo: 'storage',
    queries: { '{{instance}}': DISK_STATES },
  }),
  stat({
    title: 'Room left',
    description: 'Bytes until the nearer one of cache.maxBytes and cache.minFreeBytes; eviction keeps some of it free.',
    unit: 'bytes',
    width: 4,
    none: 'no mirror',
    words: UNTOLD,
    color: 'red',
    steps: [{ from: 0, color: 'green' }],
    leadsTo: 'storage',
    queries: { '{{instance}}': ROOM_LEFT },
  }),
  stat({
    title: 'Found no room',
    description:
      'Transfers that were passed through and not kept, in the time shown; each costs the WAN again next time.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'orange' }],
    leadsTo: 'storage',
    queries: { '{{instance}}': perMirror(of('imgapi_mirror_pass_throughs_total')) },
  }),
  stat({
    title: 'Wrong bytes',
    description: 'Files that came with other bytes or another length than their manifests say, in the time shown.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'red' }],
    leadsTo: 'storage',
    queries: { '{{instance}}': perMirror(of('imgapi_mirror_integrity_checks_total', 'result=~"sha1|size"')) },
  }),
  stat({
    title: 'Rotted files',
    description:
      'Stored files that were found to be no longer what had arrived, in the time shown; the disk is suspect.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 0.5, color: 'red' }],
    leadsTo: 'storage',
    queries: { '{{instance}}': perMirror(of('imgapi_mirror_scrubbed_blobs_total', 'result="rotted"')) },
  }),
  stat({
    title: 'Images in conflict',
    description: 'Images of which an upstream says other than what was first seen; that stays in force until accepted.',
    unit: 'count',
    width: 4,
    decimals: 0,
    steps: [{ from: 1, color: 'orange' }],
    leadsTo: 'storage',
    queries: { '{{instance}}': of('imgapi_mirror_catalog_conflicts') },
  }),
];

const savings = () => [
  graph({
    title: 'Throughput, LAN and WAN',
    description:
      'Files to clients, and all that came from upstreams: the gap is what the mirror saves, but for what it broke off.',
    unit: 'bytesPerSecond',
    width: 12,
    queries: {
      'LAN: files to clients': sum(rate(of(SENT))),
      'WAN: from upstreams': sum(rate(WAN)),
    },
  }),
  graph({
    title: 'Hit ratio of files',
    description:
      'Share of files, by bytes and by requests, that cost the WAN nothing: stored, or joined; what was broken off is none.',
    unit: 'ratio',
    width: 12,
    max: 1,
    queries: {
      // Where what was broken off was no hit, its bytes are missing from the whole alone.
      'by bytes': `clamp_max(${share(served(rate, FREE), served(rate))}, 1)`,
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
    width: 6,
    isStacked: true,
    queries: { '{{route}}': sumBy('route', rate(of(REQUESTS))) },
  }),
  graph({
    title: 'Requests by answer',
    description:
      'By status class; broken: broken off by the mirror; none: the client left before; refused: a 5xx that is meant.',
    unit: 'requestsPerSecond',
    width: 6,
    isStacked: true,
    queries: { '{{code}}': sumBy('code', rate(of(REQUESTS))) },
  }),
  graph({
    title: 'Sent by route',
    description: 'Bytes per second of all bodies sent, by what was asked for; what savings count is those of files.',
    unit: 'bytesPerSecond',
    width: 6,
    isStacked: true,
    queries: { '{{route}}': sumBy('route', rate(of('imgapi_mirror_http_response_bytes_total'))) },
  }),
  graph({
    title: 'Where answers came from',
    description:
      'Answers but errors, by kind and cache result; stale: an upstream could not be asked; pass: no room on disk.',
    unit: 'requestsPerSecond',
    width: 6,
    isStacked: true,
    queries: { '{{kind}} {{result}}': sumBy('kind, result', rate(of('imgapi_mirror_cache_results_total'))) },
  }),
];

const disk = () => [
  graph({
    title: 'Room left over time',
    description: 'Bytes until the nearer one of both limits: a line that falls and does not come back will reach 0.',
    unit: 'bytes',
    width: 12,
    queries: { '{{instance}}': ROOM_LEFT },
  }),
  graph({
    title: 'Evicted for room',
    description:
      'Bytes per second that gave way to other files; as much as comes in all the time: the cache is too small.',
    unit: 'bytesPerSecond',
    width: 12,
    queries: {
      '{{instance}}': sumBy(MIRROR, rate(of('imgapi_mirror_evicted_bytes_total', 'reason=~"demand|ahead"'))),
    },
  }),
];

const errors = () => [
  graph({
    title: 'Failed requests',
    description:
      'Share of requests answered 5xx, or broken off by the mirror, by route; ready answers so while it cannot serve.',
    unit: 'ratio',
    width: 8,
    max: 1,
    queries: {
      '{{route}}': share(sumBy('route', rate(of(REQUESTS, FAILED))), sumBy('route', rate(of(REQUESTS, ANSWERED)))),
    },
  }),
  graph({
    title: 'Broken off and refused',
    description:
      'Responses that did not reach their end, by either side, but for those of open pages; requests refused by client.',
    unit: 'eventsPerSecond',
    width: 8,
    queries: {
      'broken off: {{route}}': sumBy(
        'route',
        rate(of('imgapi_mirror_http_responses_aborted_total', 'route!="events"')),
      ),
      'refused: {{reason}}': sumBy('reason', rate(of('imgapi_mirror_http_refused_total'))),
    },
  }),
  graph({
    title: 'Failed requests to upstreams',
    description: 'Without an answer, or answered 5xx, or 4xx for a list or a listed file; see the board of upstreams.',
    unit: 'requestsPerSecond',
    width: 8,
    queries: {
      '{{upstream}}': [
        ofUpstreams(UPSTREAM_REQUESTS, 'result=~"5xx|connect|timeout|body"'),
        ofUpstreams(UPSTREAM_REQUESTS, 'kind=~"list|file"', 'result="4xx"'),
      ]
        .map((series) => sumBy('upstream', rate(series)))
        .join(' + '),
    },
  }),
];
