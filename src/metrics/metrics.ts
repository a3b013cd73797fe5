/**
 * Every metric of the mirror, declared in one place and primed, so that a series exists before its first event. Labels
 * take values from fixed sets and from the configuration alone: never a uuid, an address or a path.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { EVICTION_REASONS } from '../blobs/eviction.ts';
import { SCRUB_RESULTS } from '../blobs/scrub.ts';
import { REQUEST_KINDS } from '../upstream/http-client.ts';
import { DOWNLOAD_RESULTS } from '../downloads/download.ts';
import { PASSED_RESULTS } from '../downloads/passing.ts';
import { INTEGRITY_RESULTS, RESUME_MODES } from '../downloads/transfer-events.ts';
import { REFETCH_RESULTS } from '../operations/refetch.ts';
import { HEALTH_KINDS } from '../upstream/health.ts';
import { CLIENT_REFUSALS } from '../http/client-gate.ts';
import { CAUSES } from './causes.ts';

export const ROUTES = [
  'ping',
  'images',
  'image',
  'file',
  'icon',
  'channels',
  'metrics',
  'health',
  'ready',
  'setup',
  'page',
  'api',
  'events',
  'none',
] as const;
export const METHODS = ['GET', 'HEAD', 'other'] as const;
/** Status classes; `broken`: began well and was broken off by the mirror; `refused`: a 5xx that is meant; `none`: the client left before a status was sent. */
export const CODES = ['2xx', '3xx', '4xx', '5xx', 'broken', 'refused', 'none'] as const;
/** What a request was about, for cache results. */
export const CACHE_KINDS = ['list', 'manifest', 'file', 'icon'] as const;
export const CACHE_RESULTS = ['hit', 'miss', 'join', 'stale', 'negative', 'pass'] as const;
/** Those of them that files have. */
export const FILE_RESULTS = ['hit', 'miss', 'join', 'pass'] as const;
/** How a request to an upstream ended: a status class, or why there was none. */
export const UPSTREAM_RESULTS = ['2xx', '3xx', '4xx', '5xx', 'connect', 'timeout', 'body', 'aborted'] as const;

/** prom-client's three gauges that end in `_total`: promtool objects to them, rightly. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

const SECONDS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const TRANSFER_SECONDS = [0.1, 0.5, 1, 5, 15, 60, 300, 1800, 7200];

export interface MetricsOptions {
  readonly version: string;
  readonly nodeVersion: string;
  /** Names of the configured upstreams. */
  readonly upstreams: readonly string[];
}

export interface Metrics {
  readonly registry: Registry;
  readonly requests: Counter<'route' | 'method' | 'code'>;
  readonly aborted: Counter<'route'>;
  readonly requestSeconds: Histogram<'route'>;
  readonly firstByteSeconds: Histogram<'result'>;
  readonly responseBytes: Counter<'route'>;
  readonly fileBytes: Counter<'result'>;
  readonly brokenBytes: Counter<'result'>;
  readonly cacheResults: Counter<'kind' | 'result'>;
  readonly upstreamRequests: Counter<'upstream' | 'kind' | 'result'>;
  readonly upstreamBytes: Counter<'upstream' | 'kind'>;
  readonly causeBytes: Counter<'upstream' | 'cause'>;
  readonly upstreamSeconds: Histogram<'upstream' | 'kind'>;
  readonly downloads: Counter<'result'>;
  readonly downloadSeconds: Histogram;
  readonly passed: Counter<'result'>;
  readonly passedAlone: Counter;
  readonly resumes: Counter<'mode'>;
  readonly resumedBytes: Counter<'mode'>;
  readonly failovers: Counter<'upstream'>;
  readonly stalls: Counter<'upstream'>;
  readonly integrity: Counter<'result'>;
  readonly scrubbed: Counter<'result'>;
  readonly scrubbedBytes: Counter;
  readonly refetches: Counter<'result'>;
  readonly evictions: Counter<'reason'>;
  readonly evictedBytes: Counter<'reason'>;
  readonly refused: Counter<'reason'>;
  readonly lookupsRefused: Counter<'upstream'>;
  readonly breakerTransitions: Counter<'upstream' | 'kind' | 'to'>;
  readonly configReloads: Counter<'result'>;
  readonly trustAccepted: Counter;
  readonly configReloadedAt: Gauge;
  readonly configReloadedOk: Gauge;
}

export function createMetrics(options: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const registers = [registry];

  const build = new Gauge({
    name: 'imgapi_mirror_build_info',
    help: 'Always 1; the labels say what runs',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version: options.version, node: options.nodeVersion }, 1);

  const metrics: Metrics = {
    registry,
    requests: new Counter({
      name: 'imgapi_mirror_http_requests_total',
      help: 'Requests that are over, by route, method and status class; code broken: the answer began well, and the mirror broke it off, for wrong bytes, an upstream or the disk; none: the client left before a status; refused: a 5xx that is no trouble of the mirror: offline, too much asked by a client or of images in no list, a file no upstream has, a trust conflict, a stop',
      labelNames: ['route', 'method', 'code'],
      registers,
    }),
    aborted: new Counter({
      name: 'imgapi_mirror_http_responses_aborted_total',
      help: 'Responses that did not reach their end: the client left or took no byte for too long, the mirror broke them off, or it stopped',
      labelNames: ['route'],
      registers,
    }),
    requestSeconds: new Histogram({
      name: 'imgapi_mirror_http_request_duration_seconds',
      help: 'From the request to the end of its response, by route; of files this is the transfer',
      labelNames: ['route'],
      buckets: [...SECONDS, 120, 600, 3600],
      registers,
    }),
    firstByteSeconds: new Histogram({
      name: 'imgapi_mirror_file_first_byte_seconds',
      help: 'From a file request to the first byte of its body, by cache result',
      labelNames: ['result'],
      buckets: SECONDS,
      registers,
    }),
    responseBytes: new Counter({
      name: 'imgapi_mirror_http_response_bytes_total',
      help: 'Body bytes sent to clients, by route',
      labelNames: ['route'],
      registers,
    }),
    fileBytes: new Counter({
      name: 'imgapi_mirror_file_response_bytes_total',
      help: 'Body bytes of files sent to clients, as they go out, by cache result; hit and join cost the WAN nothing',
      labelNames: ['result'],
      registers,
    }),
    brokenBytes: new Counter({
      name: 'imgapi_mirror_file_broken_bytes_total',
      help: 'Those of them that went out in answers the mirror then broke off, counted when it did: they save nothing',
      labelNames: ['result'],
      registers,
    }),
    cacheResults: new Counter({
      name: 'imgapi_mirror_cache_results_total',
      help: 'Answers by what was asked for and where it came from, but for HEAD, errors, and what the mirror broke off; negative: a look-up that a remembered absence answered',
      labelNames: ['kind', 'result'],
      registers,
    }),
    upstreamRequests: new Counter({
      name: 'imgapi_mirror_upstream_requests_total',
      help: 'Requests to upstreams, by kind and result: a status class, or why there was no answer',
      labelNames: ['upstream', 'kind', 'result'],
      registers,
    }),
    upstreamBytes: new Counter({
      name: 'imgapi_mirror_upstream_response_bytes_total',
      help: 'Body bytes received from upstreams, as they came over the wire',
      labelNames: ['upstream', 'kind'],
      registers,
    }),
    causeBytes: new Counter({
      name: 'imgapi_mirror_upstream_cause_bytes_total',
      help: 'The same bytes by what they were for; resume: those that came again because the upstream could not go on',
      labelNames: ['upstream', 'cause'],
      registers,
    }),
    upstreamSeconds: new Histogram({
      name: 'imgapi_mirror_upstream_response_seconds',
      help: 'From a request to an upstream to the headers of its answer',
      labelNames: ['upstream', 'kind'],
      buckets: SECONDS,
      registers,
    }),
    downloads: new Counter({
      name: 'imgapi_mirror_downloads_total',
      help: 'Downloads that are over, by result; disk: it could not be written, and clients are served all the same, mismatch: wrong bytes, absent: every upstream that lists the file says that it has it not',
      labelNames: ['result'],
      registers,
    }),
    passed: new Counter({
      name: 'imgapi_mirror_pass_throughs_total',
      help: 'Upstream streams of transfers without a place on disk that are over, by result; clients in step share one; absent: no upstream has the file; aborted: with the last of them, or at a stop',
      labelNames: ['result'],
      registers,
    }),
    passedAlone: new Counter({
      name: 'imgapi_mirror_pass_throughs_alone_total',
      help: 'Clients that fell behind those they shared a pass-through with, and went on with an upstream stream of their own',
      registers,
    }),
    resumes: new Counter({
      name: 'imgapi_mirror_transfer_resumes_total',
      help: 'Transfers gone on with, by mode; range: at the byte asked for, skip: over what was there, partial: a file left on disk, hashed once',
      labelNames: ['mode'],
      registers,
    }),
    resumedBytes: new Counter({
      name: 'imgapi_mirror_transfer_resumed_bytes_total',
      help: 'Bytes that were there when a transfer was gone on with, by mode; only those of skip are received again',
      labelNames: ['mode'],
      registers,
    }),
    failovers: new Counter({
      name: 'imgapi_mirror_transfer_failovers_total',
      help: 'Times the next source of a file was asked instead of this upstream',
      labelNames: ['upstream'],
      registers,
    }),
    stalls: new Counter({
      name: 'imgapi_mirror_transfer_stalls_total',
      help: 'Attempts at a file that ended because an upstream sent nothing, or took no connection, for too long',
      labelNames: ['upstream'],
      registers,
    }),
    integrity: new Counter({
      name: 'imgapi_mirror_integrity_checks_total',
      help: 'Files from upstreams by what was found; sha1: wrong bytes, size: another length, md5: a wrong Content-MD5 of right bytes',
      labelNames: ['result'],
      registers,
    }),
    refused: new Counter({
      name: 'imgapi_mirror_http_refused_total',
      help: 'Requests refused for the client they came from, by reason',
      labelNames: ['reason'],
      registers,
    }),
    lookupsRefused: new Counter({
      name: 'imgapi_mirror_lookups_refused_total',
      help: 'Look-ups of images in no list that an upstream was not asked for: too many in too short a time',
      labelNames: ['upstream'],
      registers,
    }),
    breakerTransitions: new Counter({
      name: 'imgapi_mirror_upstream_breaker_transitions_total',
      help: 'Times the breaker of an upstream opened (also: again, after a probe that failed) or closed; list: look-ups too',
      labelNames: ['upstream', 'kind', 'to'],
      registers,
    }),
    trustAccepted: new Counter({
      name: 'imgapi_mirror_trust_accepted_total',
      help: 'Changes of images that an operator has accepted (imgapi-mirror accept)',
      registers,
    }),
    configReloads: new Counter({
      name: 'imgapi_mirror_config_reloads_total',
      help: 'Reloads of the configuration and certificates (SIGHUP), by result; failed: nothing was changed',
      labelNames: ['result'],
      registers,
    }),
    configReloadedAt: new Gauge({
      name: 'imgapi_mirror_config_last_reload_success_timestamp_seconds',
      help: 'When the configuration was last loaded, at the start or by a reload',
      registers,
    }),
    configReloadedOk: new Gauge({
      name: 'imgapi_mirror_config_last_reload_successful',
      help: '0 if the last reload changed nothing because something is wrong; 1 if it went well, or there was none',
      registers,
    }),
    scrubbed: new Counter({
      name: 'imgapi_mirror_scrubbed_blobs_total',
      help: 'Stored blobs that were read again, by what was found; repaired: only what was noted of it was wrong, gone: evicted meanwhile, failed: could not be told',
      labelNames: ['result'],
      registers,
    }),
    scrubbedBytes: new Counter({
      name: 'imgapi_mirror_scrubbed_bytes_total',
      help: 'Bytes of stored blobs that were read again',
      registers,
    }),
    refetches: new Counter({
      name: 'imgapi_mirror_scrub_refetches_total',
      help: 'Tries to fetch a rotted blob anew, by result; left: not tried, for the next client who wants it',
      labelNames: ['result'],
      registers,
    }),
    evictions: new Counter({
      name: 'imgapi_mirror_evictions_total',
      help: 'Removed blobs, unfinished downloads and quarantined files; demand: a download needed the room, ahead: the next one will',
      labelNames: ['reason'],
      registers,
    }),
    evictedBytes: new Counter({
      name: 'imgapi_mirror_evicted_bytes_total',
      help: 'Bytes of the disk freed by evictions, by reason; age: kept for long enough, surplus: too many in quarantine',
      labelNames: ['reason'],
      registers,
    }),
    downloadSeconds: new Histogram({
      name: 'imgapi_mirror_download_duration_seconds',
      help: 'From the start of a download to its end, whatever the result',
      buckets: TRANSFER_SECONDS,
      registers,
    }),
  };
  prime(metrics, options.upstreams);
  return metrics;
}

function prime(metrics: Metrics, upstreams: readonly string[]): void {
  for (const route of ROUTES) {
    for (const method of METHODS) for (const code of CODES) metrics.requests.inc({ route, method, code }, 0);
    metrics.aborted.inc({ route }, 0);
    metrics.responseBytes.inc({ route }, 0);
    metrics.requestSeconds.zero({ route });
  }
  for (const kind of CACHE_KINDS) for (const result of CACHE_RESULTS) metrics.cacheResults.inc({ kind, result }, 0);
  for (const result of FILE_RESULTS) {
    metrics.firstByteSeconds.zero({ result });
    metrics.fileBytes.inc({ result }, 0);
    metrics.brokenBytes.inc({ result }, 0);
  }
  for (const upstream of upstreams) {
    for (const kind of REQUEST_KINDS) {
      for (const result of UPSTREAM_RESULTS) metrics.upstreamRequests.inc({ upstream, kind, result }, 0);
      metrics.upstreamBytes.inc({ upstream, kind }, 0);
      metrics.upstreamSeconds.zero({ upstream, kind });
    }
    for (const cause of CAUSES) metrics.causeBytes.inc({ upstream, cause }, 0);
    metrics.lookupsRefused.inc({ upstream }, 0);
    metrics.failovers.inc({ upstream }, 0);
    metrics.stalls.inc({ upstream }, 0);
    for (const kind of HEALTH_KINDS) {
      for (const to of ['open', 'closed']) metrics.breakerTransitions.inc({ upstream, kind, to }, 0);
    }
  }
  for (const reason of CLIENT_REFUSALS) metrics.refused.inc({ reason }, 0);
  metrics.configReloadedOk.set(1);
  for (const result of ['ok', 'failed']) metrics.configReloads.inc({ result }, 0);
  for (const result of PASSED_RESULTS) metrics.passed.inc({ result }, 0);
  for (const mode of RESUME_MODES) {
    metrics.resumes.inc({ mode }, 0);
    metrics.resumedBytes.inc({ mode }, 0);
  }
  for (const result of INTEGRITY_RESULTS) metrics.integrity.inc({ result }, 0);
  for (const result of SCRUB_RESULTS) metrics.scrubbed.inc({ result }, 0);
  for (const result of REFETCH_RESULTS) metrics.refetches.inc({ result }, 0);
  for (const reason of EVICTION_REASONS) {
    metrics.evictions.inc({ reason }, 0);
    metrics.evictedBytes.inc({ reason }, 0);
  }
  for (const result of DOWNLOAD_RESULTS) metrics.downloads.inc({ result }, 0);
}
