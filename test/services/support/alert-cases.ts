/**
 * What fires each alert and what does not, in promtool's notation: one value a minute, `a+bxn` is a, a+b, ... n times more,
 * and the clock begins at 0. All series have the labels `job` and `instance` besides those named here.
 */

/** Values by series, as in `name{label="value"}`. */
export type Series = Readonly<Record<string, string>>;

export interface AlertCase {
  readonly series: Series;
  /** When it is looked at, as in `10m`. */
  readonly at: string;
}

export interface FiringCase extends AlertCase {
  /** Labels beside the alert's own and `job` and `instance`. */
  readonly labels?: Readonly<Record<string, string>>;
  /** What stands for `$value` in its texts, formatted. */
  readonly value?: string;
}

export interface AlertCases {
  readonly fires: readonly FiringCase[];
  readonly silent: readonly AlertCase[];
}

const BUILD = { imgapi_mirror_build_info: '1+0x600' };
const NAN = 'NaN+0x600';
const fileBuckets = (result: string): Series => ({
  [`imgapi_mirror_file_first_byte_seconds_bucket{result="${result}",le="1"}`]: '0+0x60',
  [`imgapi_mirror_file_first_byte_seconds_bucket{result="${result}",le="2.5"}`]: '0+6x60',
  [`imgapi_mirror_file_first_byte_seconds_bucket{result="${result}",le="+Inf"}`]: '0+6x60',
});
const requests = (code: string): string => `imgapi_mirror_http_requests_total{route="file",code="${code}"}`;
const downloads = (result: string): string => `imgapi_mirror_downloads_total{result="${result}"}`;
const opened = 'imgapi_mirror_upstream_breaker_transitions_total{upstream="a",kind="file",to="open"}';
const breaker = 'imgapi_mirror_upstream_breaker_open{upstream="a",kind="file"}';
const up = (upstream: string): string => `imgapi_mirror_upstream_up{upstream="${upstream}"}`;
const oldList = {
  'imgapi_mirror_upstream_list_age_seconds{upstream="a"}': '0+60x120',
  imgapi_mirror_catalog_refresh_interval_seconds: '300+0x120',
};
const scrub = 'imgapi_mirror_scrub_last_success_timestamp_seconds';
const hourly = { ...BUILD, imgapi_mirror_scrub_interval_seconds: '3600+0x600' };
const disk = (maxBytes: string, freeBytes: string): Series => ({
  imgapi_mirror_cache_max_bytes: `${maxBytes}+0x60`,
  imgapi_mirror_cache_used_bytes: '997e9x60',
  imgapi_mirror_cache_reserved_bytes: '1e9x60',
  imgapi_mirror_cache_free_bytes: `${freeBytes}+0x60`,
  imgapi_mirror_cache_min_free_bytes: '10e9x60',
});
const prefetches = (result: string): string => `imgapi_mirror_prefetch_runs_total{result="${result}"}`;
const expiry = 'imgapi_mirror_tls_certificate_expiry_timestamp_seconds';

export const ALERT_CASES: Readonly<Record<string, AlertCases>> = {
  ImgapiMirrorDown: {
    fires: [{ series: { up: '1+0x5 0+0x20' }, at: '10m' }],
    silent: [{ series: { up: '1+0x5 0 1+0x20' }, at: '7m' }],
  },
  ImgapiMirrorRestarts: {
    fires: [
      {
        series: { ...BUILD, process_start_time_seconds: '0+0x9 600+0x9 1200+0x9 1800+0x9' },
        at: '35m',
        value: '3',
      },
    ],
    silent: [
      { series: { ...BUILD, process_start_time_seconds: '0+0x9 600+0x9 1200+0x9' }, at: '25m' },
      // Another program's process.
      { series: { process_start_time_seconds: '0+0x9 600+0x9 1200+0x9 1800+0x9' }, at: '35m' },
    ],
  },
  ImgapiMirrorServerErrors: {
    fires: [{ series: { [requests('5xx')]: '0+10x30', [requests('2xx')]: '0+10x30' }, at: '20m', value: '50%' }],
    silent: [
      { series: { [requests('5xx')]: '0+1x30', [requests('2xx')]: '0+99x30' }, at: '20m' },
      // One of one.
      { series: { [requests('5xx')]: '0 1+0x30', [requests('2xx')]: '0+0x30' }, at: '7m' },
    ],
  },
  ImgapiMirrorSlowFirstByte: {
    fires: [{ series: fileBuckets('hit'), at: '30m', labels: { result: 'hit' }, value: '2.425s' }],
    silent: [{ series: fileBuckets('miss'), at: '30m' }],
  },
  ImgapiMirrorEventLoopLag: {
    fires: [{ series: { ...BUILD, nodejs_eventloop_lag_p99_seconds: '0.4+0x30' }, at: '15m', value: '400ms' }],
    silent: [
      { series: { ...BUILD, nodejs_eventloop_lag_p99_seconds: '0.2+0x30' }, at: '15m' },
      { series: { nodejs_eventloop_lag_p99_seconds: '0.4+0x30' }, at: '15m' },
    ],
  },
  ImgapiMirrorAllUpstreamsDown: {
    fires: [{ series: { [up('a')]: '0+0x20', [up('b')]: '0+0x20' }, at: '10m' }],
    silent: [
      { series: { [up('a')]: '0+0x20', [up('b')]: '1+0x20' }, at: '10m' },
      // Offline.
      { series: { [up('a')]: NAN, [up('b')]: NAN }, at: '10m' },
    ],
  },
  ImgapiMirrorUpstreamDown: {
    fires: [{ series: { [up('a')]: '0+0x30', [up('b')]: '1+0x30' }, at: '20m', labels: { upstream: 'a' } }],
    silent: [{ series: { [up('a')]: '0+0x9 1 0+0x20' }, at: '20m' }],
  },
  ImgapiMirrorBreakerOpen: {
    fires: [
      {
        series: { [opened]: '0+1x20', [breaker]: '0.5+0x20' },
        at: '10m',
        labels: { upstream: 'a', kind: 'file', to: 'open' },
        value: '10',
      },
    ],
    silent: [
      { series: { [opened]: '0+1x20', [breaker]: '0+0x20' }, at: '10m' },
      { series: { [opened]: '0 1+0x20', [breaker]: '1+0x20' }, at: '10m' },
    ],
  },
  ImgapiMirrorCatalogStale: {
    fires: [{ series: { ...oldList, [up('a')]: '0+0x120' }, at: '67m', labels: { upstream: 'a' }, value: '1h 7m 0s' }],
    silent: [
      { series: { ...oldList, [up('a')]: '0+0x120' }, at: '59m' },
      { series: { ...oldList, [up('a')]: NAN }, at: '67m' },
    ],
  },
  ImgapiMirrorListHeld: {
    fires: [
      {
        series: { 'imgapi_mirror_catalog_refreshes_total{upstream="a",result="held"}': '0 1+0x20' },
        at: '5m',
        labels: { upstream: 'a', result: 'held' },
      },
    ],
    silent: [
      { series: { 'imgapi_mirror_catalog_refreshes_total{upstream="a",result="failed"}': '0 1+0x20' }, at: '5m' },
    ],
  },
  ImgapiMirrorStalls: {
    fires: [
      {
        series: { 'imgapi_mirror_transfer_stalls_total{upstream="a"}': '0+1x30' },
        at: '15m',
        labels: { upstream: 'a' },
        value: '15',
      },
    ],
    silent: [{ series: { 'imgapi_mirror_transfer_stalls_total{upstream="a"}': '0 4+0x30' }, at: '15m' }],
  },
  ImgapiMirrorDownloadsFailing: {
    fires: [{ series: { [downloads('failed')]: '0+1x30', [downloads('stored')]: '0+1x30' }, at: '20m', value: '50%' }],
    silent: [
      { series: { [downloads('failed')]: '0+1x30', [downloads('stored')]: '0+9x30' }, at: '20m' },
      // Clients that leave are no failures.
      { series: { [downloads('aborted')]: '0+9x30', [downloads('stored')]: '0+1x30' }, at: '20m' },
    ],
  },
  ImgapiMirrorUuidFlood: {
    fires: [{ series: { 'imgapi_mirror_lookups_refused_total{upstream="a"}': '0+10x20' }, at: '10m', value: '100' }],
    silent: [{ series: { 'imgapi_mirror_lookups_refused_total{upstream="a"}': '0+1x20' }, at: '10m' }],
  },
  ImgapiMirrorWrongBytes: {
    fires: [
      {
        series: { 'imgapi_mirror_integrity_checks_total{result="sha1"}': '0 1+0x20' },
        at: '5m',
        labels: { result: 'sha1' },
      },
    ],
    silent: [{ series: { 'imgapi_mirror_integrity_checks_total{result="md5"}': '0 1+0x20' }, at: '5m' }],
  },
  ImgapiMirrorStoredBytesRotted: {
    fires: [
      {
        series: { 'imgapi_mirror_scrubbed_blobs_total{result="rotted"}': '0 1+0x20' },
        at: '5m',
        labels: { result: 'rotted' },
      },
    ],
    silent: [{ series: { 'imgapi_mirror_scrubbed_blobs_total{result="right"}': '0 1+0x20' }, at: '5m' }],
  },
  ImgapiMirrorTrustConflict: {
    fires: [{ series: { imgapi_mirror_catalog_conflicts: '0 2+0x20' }, at: '10m', value: '2' }],
    silent: [{ series: { imgapi_mirror_catalog_conflicts: '0 2+0x3 0+0x20' }, at: '10m' }],
  },
  ImgapiMirrorScrubLate: {
    fires: [
      { series: { ...hourly, [scrub]: '0+0x600' }, at: '3h', value: '3h 0m 0s' },
      { series: { ...hourly, [scrub]: NAN, process_start_time_seconds: '0+0x600' }, at: '3h', value: '3h 0m 0s' },
    ],
    silent: [
      { series: { ...hourly, [scrub]: '3600+0x600' }, at: '3h' },
      { series: { ...hourly, [scrub]: NAN, process_start_time_seconds: '3600+0x600' }, at: '3h' },
      { series: { ...BUILD, imgapi_mirror_scrub_interval_seconds: 'Inf+0x600', [scrub]: '0+0x600' }, at: '3h' },
    ],
  },
  ImgapiMirrorDiskNearLimit: {
    fires: [
      { series: disk('1e12', '500e9'), at: '40m', value: '1.863Gi' },
      { series: disk('Inf', '12e9'), at: '40m', value: '1.863Gi' },
    ],
    silent: [{ series: disk('Inf', '500e9'), at: '40m' }],
  },
  ImgapiMirrorNoRoom: {
    fires: [{ series: { 'imgapi_mirror_pass_throughs_total{result="right"}': '0 2+0x20' }, at: '5m', value: '2' }],
    silent: [{ series: { 'imgapi_mirror_pass_throughs_total{result="right"}': '2+0x60' }, at: '40m' }],
  },
  ImgapiMirrorEvictionThrash: {
    fires: [
      {
        series: {
          'imgapi_mirror_evicted_bytes_total{reason="demand"}': '0+1e9x60',
          imgapi_mirror_cache_used_bytes: '10e9x60',
        },
        at: '30m',
        value: '27.94Gi',
      },
    ],
    silent: [
      {
        series: {
          'imgapi_mirror_evicted_bytes_total{reason="operator"}': '0+1e9x60',
          imgapi_mirror_cache_used_bytes: '10e9x60',
        },
        at: '30m',
      },
    ],
  },
  ImgapiMirrorPrefetchFailing: {
    fires: [{ series: { [prefetches('failed')]: '0 1+0x60', [prefetches('ok')]: '0+0x60' }, at: '30m', value: '1' }],
    silent: [{ series: { [prefetches('failed')]: '0 1+0x60', [prefetches('ok')]: '0+0x9 1+0x60' }, at: '30m' }],
  },
  ImgapiMirrorCertificateExpires: {
    fires: [{ series: { [expiry]: '864000+0x30' }, at: '15m', value: '9d 23h 45m 0s' }],
    silent: [
      { series: { [expiry]: '2592000+0x30' }, at: '15m' },
      { series: { [expiry]: NAN }, at: '15m' },
    ],
  },
  ImgapiMirrorReloadFailed: {
    fires: [{ series: { imgapi_mirror_config_last_reload_successful: '1 0+0x20' }, at: '5m' }],
    silent: [{ series: { imgapi_mirror_config_last_reload_successful: '1 0 1+0x20' }, at: '5m' }],
  },
};
