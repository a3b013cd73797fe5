/** Is it up, and does it answer: when these alerts fire. See alert-cases.ts. */
import type { AlertCases } from './alert-cases.ts';
import { NAN, constant, jump, late, ramp, twice, type Series } from './alert-cases-notation.ts';

const BUILD = { 'imgapi_mirror_build_info{version="1",node="24"}': constant(1) };
const requests = (code: string, route = 'file', method = 'GET'): string =>
  `imgapi_mirror_http_requests_total{route="${route}",method="${method}",code="${code}"}`;
/** `within`: files per step of `result` by the seconds to their first byte, of `all`. */
const firstBytes = (result: string, all: string, within: Readonly<Record<string, string>>): Series => ({
  ...Object.fromEntries(
    Object.entries({ ...within, '+Inf': all }).map(([le, values]) => [
      `imgapi_mirror_file_first_byte_seconds_bucket{result="${result}",le="${le}"}`,
      values,
    ]),
  ),
  [`imgapi_mirror_file_first_byte_seconds_count{result="${result}"}`]: all,
});
const started = 'process_start_time_seconds';

export const SERVICE_CASES: Readonly<Record<string, AlertCases>> = {
  ImgapiMirrorDown: {
    step: '1m',
    cases: [
      { series: { up: `1+0x5 ${constant(0)}` }, from: '8m' },
      { series: { 'up{job="node"}': constant(1) }, from: '2m', isTargetless: true },
      { series: { up: `1+0x5 0 0 ${constant(1)}` }, silentTo: '30m' },
      // Back after three minutes: no longer than it is down.
      { series: { up: `1+0x5 0 0 0 ${constant(1)}` }, from: '8m', to: '8m' },
      // It comes and goes: of that ImgapiMirrorRestarts tells.
      { series: { up: `${'1 1 0 '.repeat(8)}${constant(1)}` }, silentTo: '30m' },
      { series: { up: constant(1), 'up{job="node"}': constant(0) }, silentTo: '30m' },
    ],
  },
  ImgapiMirrorNotReady: {
    step: '1m',
    cases: [
      { series: { imgapi_mirror_ready: `1+0x2 ${constant(0)}` }, from: '8m' },
      { series: { imgapi_mirror_ready: `1+0x2 0+0x4 ${constant(1)}` }, silentTo: '20m' },
      // That it is down is told by another.
      { series: { imgapi_mirror_ready: '0 0 0 0 stale', up: constant(0) }, silentTo: '20m' },
    ],
  },
  ImgapiMirrorRestarts: {
    step: '1m',
    cases: [
      // Up for two minutes, down for one; with another version meanwhile; it fires while it is down, too.
      {
        series: {
          [started]: `0 0 stale 180 180 stale 360 360 stale 540 540 ${'stale '.repeat(60)}stale`,
          'imgapi_mirror_build_info{version="1",node="24"}': `1 1 stale 1 1 ${'stale '.repeat(66)}stale`,
          'imgapi_mirror_build_info{version="2",node="24"}': `_x6 1 1 stale 1 1 ${'stale '.repeat(60)}stale`,
        },
        from: '9m',
        to: '1h',
        value: '3',
      },
      // What now answers there has been another program for more than an hour.
      {
        series: {
          'imgapi_mirror_build_info{version="1",node="24"}': `1 ${'stale '.repeat(100)}stale`,
          [started]: `0+0x69 600+0x4 1200+0x4 ${constant(1800)}`,
        },
        silentTo: '100m',
      },
      {
        series: { ...BUILD, [started]: `0+0x9 600+0x9 1200+0x9 ${constant(1800)}` },
        from: '30m',
        to: '1h8m',
        value: '3',
      },
      { series: { ...BUILD, [started]: `0+0x9 600+0x9 ${constant(1200)}` }, silentTo: '90m' },
      // Another program.
      { series: { [started]: `0+0x9 600+0x9 1200+0x9 ${constant(1800)}` }, silentTo: '90m' },
    ],
  },
  ImgapiMirrorServerErrors: {
    step: '1m',
    cases: [
      ...['images', 'image', 'file', 'icon', 'channels'].map((route) => ({
        series: { [requests('5xx', route)]: ramp(1), [requests('2xx', route)]: ramp(1) },
        from: '10m',
        value: '50%',
      })),
      // What was broken off, as what had no beginning.
      { series: { [requests('broken')]: ramp(1), [requests('2xx')]: ramp(3) }, from: '10m', value: '25%' },
      { series: { [requests('broken')]: jump(2), [requests('5xx')]: jump(3) }, from: '6m', to: '9m', value: '100%' },
      // How many, and within what time.
      { series: { [requests('5xx')]: jump(5) }, from: '6m', to: '9m', value: '100%' },
      { series: { [requests('5xx')]: jump(4) }, silentTo: '30m' },
      // All routes and methods together.
      {
        series: { [requests('5xx')]: jump(3), [requests('5xx', 'image', 'HEAD')]: jump(2) },
        from: '6m',
        value: '100%',
      },
      // How large a part.
      { series: { [requests('5xx')]: ramp(52), [requests('2xx')]: ramp(948) }, from: '6m', value: '5.2%' },
      { series: { [requests('5xx')]: ramp(48), [requests('2xx')]: ramp(952) }, silentTo: '30m' },
      // Those that are meant neither count nor hide the others.
      { series: { [requests('refused')]: ramp(50), [requests('2xx')]: ramp(50) }, silentTo: '30m' },
      {
        series: { [requests('5xx')]: ramp(10), [requests('refused')]: ramp(900), [requests('2xx')]: ramp(90) },
        from: '6m',
        value: '10%',
      },
      // Of other routes neither.
      {
        series: { [requests('5xx')]: ramp(1), [requests('5xx', 'ready')]: ramp(50), [requests('2xx')]: ramp(99) },
        silentTo: '30m',
      },
      { series: { [requests('5xx')]: jump(2), [requests('5xx', 'ready')]: ramp(50) }, silentTo: '30m' },
      {
        series: { [requests('5xx')]: ramp(10), [requests('2xx')]: ramp(90), [requests('2xx', 'page')]: ramp(900) },
        from: '6m',
        value: '10%',
      },
      // What was before does not count.
      { series: { [requests('5xx')]: late(15, 5), [requests('2xx')]: jump(200) }, from: '20m', value: '100%' },
      { series: { [requests('5xx')]: twice(15, 3) }, silentTo: '30m' },
    ],
  },
  ImgapiMirrorSlowFirstByte: {
    step: '1m',
    cases: [
      {
        series: firstBytes('hit', ramp(1000), { 1: ramp(949), 2.5: ramp(1000) }),
        from: '11m',
        labels: { result: 'hit' },
        value: '1.029s',
      },
      { series: firstBytes('hit', ramp(1000), { 1: ramp(960), 2.5: ramp(1000) }), silentTo: '30m' },
      ...['miss', 'join', 'pass'].map((result) => ({
        series: firstBytes(result, ramp(1000), { 5: ramp(0), 10: ramp(949), 30: ramp(1000) }),
        from: '11m',
        labels: { result },
        value: '10.39s',
      })),
      {
        series: firstBytes('miss', ramp(1000), { 5: ramp(0), 10: ramp(960), 30: ramp(1000) }),
        silentTo: '30m',
      },
      // How many, and within what time; what was before does not count.
      {
        series: firstBytes('hit', jump(20), { 1: constant(0), 5: jump(20) }),
        from: '11m',
        to: '14m',
        labels: { result: 'hit' },
        value: '4.8s',
      },
      {
        series: firstBytes('miss', jump(20), { 10: constant(0), 30: constant(0) }),
        from: '11m',
        to: '14m',
        labels: { result: 'miss' },
        value: '30s',
      },
      ...['hit', 'miss'].flatMap((result) => [
        { series: firstBytes(result, jump(19), { 10: constant(0), 30: constant(0) }), silentTo: '30m' },
        { series: firstBytes(result, twice(17, 15), { 10: constant(0), 30: constant(0) }), silentTo: '40m' },
        {
          series: firstBytes(result, `0 19+0x15 ${constant(119)}`, { 1: late(17, 100), 30: late(17, 100) }),
          silentTo: '40m',
        },
      ]),
      // Nothing was asked for.
      { series: firstBytes('hit', constant(0), { 1: constant(0) }), silentTo: '30m' },
    ],
  },
  ImgapiMirrorEventLoopLag: {
    step: '1m',
    cases: [
      {
        series: { ...BUILD, nodejs_eventloop_lag_p99_seconds: `0.2+0.01x4 ${constant(0.26)}` },
        from: '15m',
        value: '260ms',
      },
      { series: { ...BUILD, nodejs_eventloop_lag_p99_seconds: constant(0.24) }, silentTo: '30m' },
      { series: { ...BUILD, nodejs_eventloop_lag_p99_seconds: NAN }, silentTo: '30m' },
      { series: { nodejs_eventloop_lag_p99_seconds: constant(1) }, silentTo: '30m' },
    ],
  },
};
