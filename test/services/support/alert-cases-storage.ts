/** The bytes, the disk and upkeep: when these alerts fire. See alert-cases.ts. */
import type { AlertCases } from './alert-cases.ts';
import { NAN, constant, jump, ramp, type Series } from './alert-cases-notation.ts';

const checks = (result: string): string => `imgapi_mirror_integrity_checks_total{result="${result}"}`;
const scrubbed = (result: string): string => `imgapi_mirror_scrubbed_blobs_total{result="${result}"}`;
const started = 'process_start_time_seconds';
const readAgain = 'imgapi_mirror_scrub_last_success_timestamp_seconds';
const scrubEvery = (seconds: number | string): Series => ({ imgapi_mirror_scrub_interval_seconds: constant(seconds) });
const disk = (values: Readonly<Record<'max' | 'used' | 'free', string>>): Series => ({
  imgapi_mirror_cache_max_bytes: values.max,
  imgapi_mirror_cache_used_bytes: values.used,
  imgapi_mirror_cache_reserved_bytes: constant('1e9'),
  imgapi_mirror_cache_free_bytes: values.free,
  imgapi_mirror_cache_min_free_bytes: constant('10e9'),
});
const downloads = (result: string): string => `imgapi_mirror_downloads_total{result="${result}"}`;
const passed = (result: string): string => `imgapi_mirror_pass_throughs_total{result="${result}"}`;
const PASSED = ['right', 'failed', 'absent', 'aborted'];
const passing = (values: string): Series => ({ imgapi_mirror_pass_throughs_running: values });
const evicted = (reason: string): string => `imgapi_mirror_evicted_bytes_total{reason="${reason}"}`;
const holds = (bytes: number | string): Series => ({ imgapi_mirror_cache_used_bytes: constant(bytes) });
const expiry = 'imgapi_mirror_tls_certificate_expiry_timestamp_seconds';
const reloaded = 'imgapi_mirror_config_last_reload_successful';

export const STORAGE_CASES: Readonly<Record<string, AlertCases>> = {
  ImgapiMirrorWrongBytes: {
    step: '1m',
    cases: [
      ...['sha1', 'size'].map((result) => ({
        series: { [checks(result)]: jump(1) },
        from: '1m',
        to: '59m',
        labels: { result },
      })),
      { series: { [checks('md5')]: ramp(1), [checks('right')]: ramp(1) }, silentTo: '70m' },
    ],
  },
  ImgapiMirrorStoredBytesRotted: {
    step: '5m',
    cases: [
      { series: { [scrubbed('rotted')]: jump(1) }, from: '5m', to: '23h55m', labels: { result: 'rotted' } },
      { series: { [scrubbed('right')]: ramp(1), [scrubbed('repaired')]: ramp(1) }, silentTo: '25h' },
    ],
  },
  ImgapiMirrorTrustConflict: {
    step: '1m',
    cases: [
      { series: { imgapi_mirror_catalog_conflicts: `0+0x2 ${constant(1)}` }, from: '8m', value: '1' },
      { series: { imgapi_mirror_catalog_conflicts: `0+0x2 1+0x4 ${constant(0)}` }, silentTo: '20m' },
    ],
  },
  ImgapiMirrorScrubLate: {
    step: '5m',
    cases: [
      // After 1 h 30 m, whenever it was restarted.
      {
        series: { ...scrubEvery(3600), [readAgain]: constant(0), [started]: constant(6000) },
        from: '2h35m',
        value: '2h 35m 0s',
      },
      // Not once yet: since the start.
      {
        series: { ...scrubEvery(3600), [readAgain]: NAN, [started]: constant(0) },
        from: '2h35m',
        value: '2h 35m 0s',
      },
      {
        series: { ...scrubEvery(3600), [readAgain]: ramp(300), [started]: constant(0) },
        silentTo: '5h',
      },
      { series: { ...scrubEvery('Inf'), [readAgain]: constant(0), [started]: constant(0) }, silentTo: '5h' },
      // Another program.
      { series: { [started]: constant(0) }, silentTo: '5h' },
    ],
  },
  ImgapiMirrorDiskFailing: {
    step: '1m',
    cases: [
      { series: { imgapi_mirror_cache_writable: `1+0x2 ${constant(0)}` }, from: '8m' },
      { series: { imgapi_mirror_cache_writable: `1+0x2 0+0x4 ${constant(1)}` }, silentTo: '20m' },
      // It can be written now and then.
      {
        series: { imgapi_mirror_cache_writable: constant(1), [downloads('disk')]: jump(3) },
        from: '6m',
        to: '29m',
      },
      // Read-only for twenty minutes and then mended: one alert, without a gap.
      {
        series: {
          imgapi_mirror_cache_writable: `1 1 0+0x19 ${constant(1)}`,
          [downloads('disk')]: `0+0x3 1 1 2 2 3 3 ${constant(4)}`,
        },
        from: '7m',
        to: '34m',
      },
      { series: { imgapi_mirror_cache_writable: constant(1), [downloads('disk')]: jump(2) }, silentTo: '40m' },
      { series: { imgapi_mirror_cache_writable: constant(1), [downloads('failed')]: jump(3) }, silentTo: '40m' },
    ],
  },
  ImgapiMirrorDiskNearLimit: {
    step: '1m',
    cases: [
      // Of the limit, and of the file system; for a small cache and for one so large that the absolute number counts.
      {
        series: disk({ max: constant('100e9'), used: `95e9+1e8x15 ${constant('96.6e9')}`, free: constant('500e9') }),
        from: '46m',
        value: '2.235Gi',
      },
      {
        series: disk({ max: constant('1e12'), used: `990e9+1e8x36 ${constant('993.7e9')}`, free: constant('500e9') }),
        from: '1h7m',
        value: '4.936Gi',
      },
      {
        series: disk({ max: constant('Inf'), used: constant('87e9'), free: `13e9-1e8x7 ${constant('12.2e9')}` }),
        from: '38m',
        value: '2.049Gi',
      },
      {
        series: disk({ max: constant('Inf'), used: constant('900e9'), free: `16e9-1e8x6 ${constant('15.3e9')}` }),
        from: '37m',
        value: '4.936Gi',
      },
      { series: disk({ max: constant('Inf'), used: constant('1e9'), free: constant('500e9') }), silentTo: '2h' },
      // A disk that cannot tell: of that DiskFailing tells.
      { series: disk({ max: constant('100e9'), used: NAN, free: NAN }), silentTo: '2h' },
    ],
  },
  ImgapiMirrorNoRoom: {
    step: '1m',
    cases: [
      { series: { ...passing(constant(0)), [passed('right')]: jump(1) }, from: '1m', to: '29m', value: '1' },
      {
        series: { ...passing(constant(0)), ...Object.fromEntries(PASSED.map((result) => [passed(result), jump(1)])) },
        from: '1m',
        to: '29m',
        value: '4',
      },
      // A long one, that has not ended yet.
      { series: { ...passing(`0+0x4 ${constant(1)}`), [passed('right')]: constant(0) }, from: '5m', value: '1' },
      { series: { ...passing(jump(1)), [passed('right')]: jump(2) }, from: '1m', value: '3' },
      { series: { ...passing(constant(0)), [passed('right')]: constant(5) }, silentTo: '40m' },
    ],
  },
  ImgapiMirrorEvictionThrash: {
    step: '5m',
    cases: [
      ...['demand', 'ahead'].map((reason) => ({
        series: { ...holds(100), [evicted(reason)]: jump(52) },
        from: '15m',
        to: '5h55m',
        value: '52',
      })),
      {
        series: { ...holds(100), [evicted('demand')]: jump(26), [evicted('ahead')]: jump(26) },
        from: '15m',
        value: '52',
      },
      { series: { ...holds(100), [evicted('demand')]: jump(24), [evicted('ahead')]: jump(24) }, silentTo: '7h' },
      { series: { ...holds(100), [evicted('operator')]: ramp(52), [evicted('age')]: ramp(52) }, silentTo: '7h' },
      { series: { ...holds('NaN'), [evicted('demand')]: jump(52) }, silentTo: '7h' },
    ],
  },
  ImgapiMirrorPrefetchFailing: {
    step: '5m',
    cases: [
      // One of several, from the tenth minute on.
      { series: { imgapi_mirror_prefetch_failing: `0+0x1 ${constant(1)}` }, from: '1h10m', value: '1' },
      { series: { imgapi_mirror_prefetch_failing: `0+0x1 1+0x11 ${constant(0)}` }, silentTo: '3h' },
      { series: { imgapi_mirror_prefetch_failing: constant(0) }, silentTo: '3h' },
    ],
  },
  ImgapiMirrorPrefetchUnfinished: {
    step: '1h',
    cases: [
      {
        series: { imgapi_mirror_prefetch_unfinished: `0+0x4 1+0x23 2+0x23 3+0x23 ${constant(4)}` },
        from: '53h',
        value: '3',
      },
      { series: { imgapi_mirror_prefetch_unfinished: `0+0x4 1+0x23 2+0x23 ${constant(0)}` }, silentTo: '70h' },
    ],
  },
  ImgapiMirrorCertificateExpires: {
    step: '1m',
    cases: [
      // 14 days and 5 minutes.
      { series: { [expiry]: constant(1_209_900) }, from: '16m', value: '13d 23h 49m 0s' },
      { series: { [expiry]: NAN }, silentTo: '30m' },
    ],
  },
  ImgapiMirrorReloadFailed: {
    step: '15s',
    cases: [
      { series: { [reloaded]: `1+0x3 ${constant(0)}` }, from: '2m' },
      { series: { [reloaded]: `1+0x3 0+0x3 ${constant(1)}` }, silentTo: '5m' },
    ],
  },
};
