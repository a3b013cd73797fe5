/** How each upstream does: state, speed, what is asked of it, what fails. */
import { createBoard, type Board } from './board.ts';
import { LIST_STATES } from './conditions.ts';
import { MIRROR, UPSTREAM, of, ofUpstreams, perHour, quantile, rate, sumBy } from './expressions.ts';
import { graph, stat } from './panel.ts';

const REQUESTS = 'imgapi_mirror_upstream_requests_total';
const SECONDS = 'imgapi_mirror_upstream_response_seconds_bucket';

export function upstreamsBoard(): Board {
  return createBoard({
    name: 'upstreams',
    title: 'Upstreams',
    description: 'How each upstream does: state, speed, what is asked of it, what fails.',
    hasUpstreams: true,
    rows: [
      { title: 'State', panels: state() },
      { title: 'Traffic', panels: traffic() },
      { title: 'Failures', panels: failures() },
      { title: 'Lists', panels: lists() },
    ],
  });
}

const state = () => [
  stat({
    title: 'Lists',
    description:
      'How the list comes, where that goes worst; old: unconfirmed for three refreshes; offline, and at the start: not asked.',
    unit: 'state',
    width: 6,
    none: 'no upstream',
    words: {
      1: { text: 'up', color: 'green' },
      0.5: { text: 'list is old', color: 'orange' },
      0: { text: 'failing', color: 'red' },
      NaN: { text: 'offline', color: 'blue' },
    },
    queries: { '{{upstream}}': LIST_STATES },
  }),
  stat({
    title: 'Held back',
    description: 'Whether the newest list was empty or shrank and was not taken; refresh --accept takes it.',
    unit: 'state',
    width: 6,
    none: 'no upstream',
    words: { 0: { text: 'taken', color: 'green' }, 1: { text: 'held back', color: 'orange' } },
    queries: { '{{upstream}}': `max by (upstream) (${ofUpstreams('imgapi_mirror_upstream_list_held')})` },
  }),
  stat({
    title: 'Breakers',
    description: 'Open: it has failed lately and others are asked first. Half-open: the next request tries it.',
    unit: 'state',
    width: 6,
    none: 'no upstream',
    words: {
      0: { text: 'closed', color: 'green' },
      0.5: { text: 'half-open', color: 'yellow' },
      1: { text: 'open', color: 'red' },
    },
    queries: {
      '{{upstream}} {{kind}}': `max by (upstream, kind) (${ofUpstreams('imgapi_mirror_upstream_breaker_open')})`,
    },
  }),
  stat({
    title: 'Age of its list',
    description:
      'Since the upstream last confirmed its list, in times of catalog.refreshEvery; a stale list is still served.',
    unit: 'count',
    width: 6,
    decimals: 1,
    none: 'never confirmed',
    steps: [
      { from: 3, color: 'yellow' },
      { from: 12, color: 'red' },
    ],
    queries: {
      '{{upstream}}': `max by (upstream) ((${ofUpstreams('imgapi_mirror_upstream_list_age_seconds')} >= 0) / on (${MIRROR}) group_left () ${of('imgapi_mirror_catalog_refresh_interval_seconds')})`,
    },
  }),
];

const traffic = () => [
  graph({
    title: 'Throughput',
    description: 'Bytes per second from each upstream, by what was asked for.',
    unit: 'bytesPerSecond',
    width: 12,
    isStacked: true,
    queries: {
      '{{upstream}} {{kind}}': sumBy(
        'upstream, kind',
        rate(ofUpstreams('imgapi_mirror_upstream_response_bytes_total')),
      ),
    },
  }),
  graph({
    title: 'Bandwidth limit in force',
    description: 'The limit of upstreams[].bandwidth of each mirror, beside the files that came; no line: no limit.',
    unit: 'bytesPerSecond',
    width: 12,
    queries: {
      '{{instance}} {{upstream}} limit': `${ofUpstreams('imgapi_mirror_upstream_bandwidth_limit_bytes_per_second')} < +Inf`,
      '{{instance}} {{upstream}} files': sumBy(
        UPSTREAM,
        rate(ofUpstreams('imgapi_mirror_upstream_response_bytes_total', 'kind="file"')),
      ),
    },
  }),
  graph({
    title: 'Time to an answer, median',
    description: 'From a request to the headers of its answer, by what was asked for.',
    unit: 'seconds',
    width: 8,
    queries: { '{{upstream}} {{kind}}': quantile(0.5, ofUpstreams(SECONDS), 'upstream, kind') },
  }),
  graph({
    title: 'Time to an answer, slowest 5 %',
    description: 'One request in twenty waits longer than this for the headers of its answer.',
    unit: 'seconds',
    width: 8,
    queries: { '{{upstream}} {{kind}}': quantile(0.95, ofUpstreams(SECONDS), 'upstream, kind') },
  }),
  graph({
    title: 'Transfers held back',
    description:
      'Transfers that wait for a bandwidth limit, or for clients, on average: seconds of waiting per second.',
    unit: 'count',
    width: 8,
    queries: { '{{upstream}}': sumBy('upstream', rate(ofUpstreams('imgapi_mirror_upstream_throttled_seconds_total'))) },
  }),
];

const failures = () => [
  graph({
    title: 'Requests by result',
    description: 'A status class, or why there was no answer; aborted: the mirror had no use for it any more.',
    unit: 'requestsPerSecond',
    width: 12,
    isStacked: true,
    queries: { '{{upstream}} {{result}}': sumBy('upstream, result', rate(ofUpstreams(REQUESTS))) },
  }),
  graph({
    title: 'Failures by kind',
    description:
      'Requests that found no connection, timed out, broke off or were answered 5xx; no line where none did.',
    unit: 'requestsPerSecond',
    width: 12,
    queries: {
      '{{upstream}} {{kind}} {{result}}': `${sumBy(
        'upstream, kind, result',
        rate(ofUpstreams(REQUESTS, 'result=~"5xx|connect|timeout|body"')),
      )} > 0`,
    },
  }),
  graph({
    title: 'Stalls and failovers',
    description: 'Attempts at files that got nothing for too long, and times the next source was asked instead.',
    unit: 'eventsPerSecond',
    width: 12,
    queries: {
      '{{upstream}} stalls': sumBy('upstream', rate(ofUpstreams('imgapi_mirror_transfer_stalls_total'))),
      '{{upstream}} failovers': sumBy('upstream', rate(ofUpstreams('imgapi_mirror_transfer_failovers_total'))),
    },
  }),
  graph({
    title: 'Breakers that open and close',
    description: 'Transitions; an upstream that flaps opens its breaker again and again.',
    unit: 'perHour',
    width: 12,
    queries: {
      '{{upstream}} {{kind}} {{to}}': sumBy(
        'upstream, kind, to',
        perHour(ofUpstreams('imgapi_mirror_upstream_breaker_transitions_total')),
      ),
    },
  }),
];

const lists = () => [
  graph({
    title: 'Images listed',
    description: 'Images in the newest good list of each upstream.',
    unit: 'count',
    width: 6,
    queries: { '{{upstream}}': `max by (upstream) (${ofUpstreams('imgapi_mirror_upstream_images')})` },
  }),
  graph({
    title: 'Refreshes by result',
    description:
      'Useless: an answer, but no list; held: a list that was empty or shrank and was not taken; refresh --accept takes it.',
    unit: 'perHour',
    width: 6,
    queries: {
      '{{upstream}} {{result}}': sumBy(
        'upstream, result',
        perHour(ofUpstreams('imgapi_mirror_catalog_refreshes_total')),
      ),
    },
  }),
  graph({
    title: 'Bad entries',
    description: 'Entries dropped from the newest list of each upstream: they were no manifests.',
    unit: 'count',
    width: 6,
    queries: {
      '{{upstream}}': `max by (upstream) (${ofUpstreams('imgapi_mirror_upstream_list_dropped_entries')})`,
    },
  }),
  graph({
    title: 'Refused look-ups',
    description: 'Look-ups of images in no list that were beyond the budget: somebody asks for many unknown uuids.',
    unit: 'eventsPerSecond',
    width: 6,
    queries: { '{{upstream}}': sumBy('upstream', rate(ofUpstreams('imgapi_mirror_lookups_refused_total'))) },
  }),
];
