/** What comes from upstreams: when these alerts fire. See alert-cases.ts. */
import type { AlertCases } from './alert-cases.ts';
import { NAN, constant, jump, late, ramp, twice, type Series } from './alert-cases-notation.ts';

const up = (upstream: string): string => `imgapi_mirror_upstream_up{upstream="${upstream}"}`;
const transitions = (to: string): string =>
  `imgapi_mirror_upstream_breaker_transitions_total{upstream="a",kind="file",to="${to}"}`;
const breaker = 'imgapi_mirror_upstream_breaker_open{upstream="a",kind="file"}';
const listAge = (upstream: string): string => `imgapi_mirror_upstream_list_age_seconds{upstream="${upstream}"}`;
const refreshEvery = (seconds: number): Series => ({
  imgapi_mirror_catalog_refresh_interval_seconds: constant(seconds),
});
const held = (upstream: string): string => `imgapi_mirror_upstream_list_held{upstream="${upstream}"}`;
const stalls = 'imgapi_mirror_transfer_stalls_total{upstream="a"}';
const downloads = (result: string): string => `imgapi_mirror_downloads_total{result="${result}"}`;
const passed = (result: string): string => `imgapi_mirror_pass_throughs_total{result="${result}"}`;
/** Every series is there, whether anything happens or not. */
const idle = Object.fromEntries(
  [downloads('stored'), downloads('failed'), passed('right'), passed('failed')].map((series) => [series, constant(0)]),
);
const found = { ...idle, [downloads('absent')]: constant(0), [passed('absent')]: constant(0) };
const refused = (upstream: string): string => `imgapi_mirror_lookups_refused_total{upstream="${upstream}"}`;

export const UPSTREAMS_CASES: Readonly<Record<string, AlertCases>> = {
  ImgapiMirrorAllUpstreamsDown: {
    step: '1m',
    cases: [
      { series: { [up('a')]: `1+0x2 ${constant(0)}`, [up('b')]: `1+0x3 ${constant(0)}` }, from: '9m' },
      // One that was not asked yet says nothing.
      { series: { [up('a')]: constant(0), [up('b')]: NAN }, from: '5m' },
      { series: { [up('a')]: constant(0), [up('b')]: constant(1) }, silentTo: '30m' },
      // Offline.
      { series: { [up('a')]: NAN, [up('b')]: NAN }, silentTo: '30m' },
    ],
  },
  ImgapiMirrorUpstreamDown: {
    step: '1m',
    cases: [
      {
        series: { [up('a')]: `1+0x2 ${constant(0)}`, [up('b')]: constant(1), [up('c')]: NAN },
        from: '18m',
        labels: { upstream: 'a' },
      },
      { series: { [up('a')]: `0+0x14 1 0+0x14 ${constant(1)}` }, silentTo: '40m' },
    ],
  },
  ImgapiMirrorBreakerOpen: {
    step: '15s',
    cases: [
      {
        series: { [transitions('open')]: `0 1 2 ${constant(3)}`, [breaker]: constant(0.5) },
        from: '1m45s',
        to: '29m45s',
        labels: { upstream: 'a', kind: 'file', to: 'open' },
        value: '3',
      },
      { series: { [transitions('open')]: jump(2), [breaker]: constant(1) }, silentTo: '40m' },
      { series: { [transitions('open')]: ramp(1), [breaker]: constant(0) }, silentTo: '40m' },
      {
        series: { [transitions('closed')]: ramp(1), [transitions('open')]: jump(1), [breaker]: constant(1) },
        silentTo: '40m',
      },
    ],
  },
  ImgapiMirrorCatalogStale: {
    step: '1m',
    cases: [
      {
        series: { ...refreshEvery(600), [listAge('a')]: ramp(60), [up('a')]: constant(0) },
        from: '2h6m',
        labels: { upstream: 'a' },
        value: '2h 6m 0s',
      },
      // It answers, but with no list; the others are well.
      {
        series: {
          ...refreshEvery(60),
          [listAge('a')]: ramp(60),
          [listAge('b')]: constant(60),
          [up('a')]: constant(1),
          [up('b')]: constant(1),
        },
        from: '1h6m',
        labels: { upstream: 'a' },
        value: '1h 6m 0s',
      },
      // None has ever come.
      {
        series: { ...refreshEvery(300), [listAge('a')]: NAN, [up('a')]: constant(1) },
        from: '5m',
        labels: { upstream: 'a' },
        value: 'NaN',
      },
      // Offline.
      { series: { ...refreshEvery(300), [listAge('a')]: ramp(60), [up('a')]: NAN }, silentTo: '3h' },
      { series: { ...refreshEvery(300), [listAge('a')]: NAN, [up('a')]: NAN }, silentTo: '3h' },
    ],
  },
  ImgapiMirrorListHeld: {
    step: '5m',
    cases: [
      // As long as nobody takes it, however seldom lists are fetched.
      {
        series: { [held('a')]: `0 1+0x47 ${constant(0)}`, [held('b')]: constant(0) },
        from: '20m',
        to: '4h',
        labels: { upstream: 'a' },
      },
      // One bad list, and a good one after it; and again.
      { series: { [held('a')]: `0 1 0 1 1 0 ${constant(0)}` }, silentTo: '1h' },
      { series: { [held('a')]: constant(0) }, silentTo: '4h' },
    ],
  },
  ImgapiMirrorStalls: {
    step: '1m',
    cases: [
      { series: { [stalls]: jump(5) }, from: '6m', to: '29m', labels: { upstream: 'a' }, value: '5' },
      { series: { [stalls]: jump(4) }, silentTo: '40m' },
    ],
  },
  ImgapiMirrorDownloadsFailing: {
    step: '1m',
    cases: [
      // How large a part.
      {
        series: { ...idle, [downloads('failed')]: ramp(210), [downloads('stored')]: ramp(790) },
        from: '6m',
        value: '21%',
      },
      { series: { ...idle, [downloads('failed')]: ramp(190), [downloads('stored')]: ramp(810) }, silentTo: '40m' },
      // Of what passes through as well.
      { series: { ...idle, [passed('failed')]: ramp(21), [passed('right')]: ramp(79) }, from: '6m', value: '21%' },
      { series: { ...idle, [passed('failed')]: ramp(19), [passed('right')]: ramp(81) }, silentTo: '40m' },
      { series: { ...idle, [downloads('failed')]: ramp(30), [passed('right')]: ramp(70) }, from: '6m', value: '30%' },
      { series: { ...idle, [downloads('failed')]: ramp(19), [passed('right')]: ramp(81) }, silentTo: '40m' },
      { series: { ...idle, [passed('failed')]: ramp(30), [downloads('stored')]: ramp(70) }, from: '6m', value: '30%' },
      { series: { ...idle, [passed('failed')]: ramp(19), [downloads('stored')]: ramp(81) }, silentTo: '40m' },
      // How many, of any kind, and within what time.
      ...[downloads('failed'), downloads('mismatch'), passed('failed')].map((failures) => ({
        series: { ...idle, [failures]: jump(3), [downloads('stored')]: jump(7) },
        from: '6m',
        to: '29m',
        value: '30%',
      })),
      {
        series: {
          ...idle,
          [downloads('failed')]: jump(1),
          [downloads('mismatch')]: jump(1),
          [passed('failed')]: jump(1),
        },
        from: '6m',
        value: '100%',
      },
      { series: { ...idle, [downloads('failed')]: jump(2) }, silentTo: '40m' },
      { series: { ...idle, [passed('failed')]: jump(2) }, silentTo: '40m' },
      // The disk's failures, clients that leave and files that are nowhere neither count nor hide the others.
      {
        series: {
          ...idle,
          [downloads('failed')]: jump(3),
          [downloads('stored')]: jump(7),
          [downloads('disk')]: jump(50),
          [downloads('aborted')]: jump(50),
          [downloads('absent')]: jump(50),
          [passed('aborted')]: jump(50),
          [passed('absent')]: jump(50),
        },
        from: '6m',
        value: '30%',
      },
      {
        series: {
          ...idle,
          [downloads('disk')]: ramp(9),
          [downloads('aborted')]: ramp(9),
          [downloads('absent')]: ramp(9),
          [passed('aborted')]: ramp(9),
          [passed('absent')]: ramp(9),
          [passed('right')]: ramp(1),
        },
        silentTo: '40m',
      },
      // What was before does not count.
      ...[downloads('stored'), passed('right')].map((others) => ({
        series: { ...idle, [downloads('failed')]: late(35, 3), [others]: jump(200) },
        from: '40m',
        value: '100%',
      })),
      {
        series: { ...idle, [passed('failed')]: late(35, 3), [passed('right')]: jump(200) },
        from: '40m',
        value: '100%',
      },
      { series: { ...idle, [downloads('failed')]: twice(35, 2) }, silentTo: '1h20m' },
      { series: { ...idle, [passed('failed')]: twice(35, 2) }, silentTo: '1h20m' },
      { series: { ...idle, [downloads('failed')]: jump(2), [downloads('stored')]: jump(3) }, silentTo: '40m' },
    ],
  },
  ImgapiMirrorFilesMissing: {
    step: '5m',
    cases: [
      { series: { ...found, [downloads('absent')]: jump(3) }, from: '5m', to: '5h55m', value: '3' },
      { series: { ...found, [passed('absent')]: jump(3) }, from: '5m', to: '5h55m', value: '3' },
      { series: { ...found, [downloads('absent')]: jump(2), [passed('absent')]: jump(1) }, from: '5m', value: '3' },
      { series: { ...found, [downloads('absent')]: jump(1), [passed('absent')]: jump(1) }, silentTo: '7h' },
      { series: { ...found, [downloads('failed')]: ramp(9), [passed('failed')]: ramp(9) }, silentTo: '7h' },
    ],
  },
  ImgapiMirrorUuidFlood: {
    step: '1m',
    cases: [
      { series: { [refused('a')]: jump(52), [refused('b')]: jump(51) }, from: '1m', to: '9m', value: '52' },
      { series: { [refused('a')]: jump(49), [refused('b')]: jump(49) }, silentTo: '20m' },
    ],
  },
};
