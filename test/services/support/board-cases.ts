/**
 * What panels must show of what is scraped, in promtool's notation: one value a minute, `a+bx600` is a, a+b, ... 600 times more. It is
 * looked at after ten hours; the mirrors that are chosen are in boards.test.ts.
 */

export interface BoardCase {
  readonly board: string;
  readonly panel: string;
  readonly legend: string;
  /** What is shown there. */
  readonly says: string;
  /** Values by series. */
  readonly series: Readonly<Record<string, string>>;
  /** True: what counts is which values are no numbers; each of those is 1. */
  readonly isOfNaN?: boolean;
  /** Values by labels. */
  readonly shows: Readonly<Record<string, number>>;
}

const JOB = 'job="imgapi-mirror"';
const A = `${JOB},instance="a"`;
const B = `${JOB},instance="b"`;
/** Of the same name as one that was chosen. */
const NODE_EXPORTER = 'job="node",instance="a"';
const HOURS = '+0x600';
/** Refreshed every five minutes. */
const interval = (mirror: string) => ({
  [`imgapi_mirror_catalog_refresh_interval_seconds{${mirror}}`]: `300${HOURS}`,
});

interface UpstreamState {
  readonly up: string;
  readonly ageSeconds: string;
  readonly list?: string;
  readonly file?: string;
}

function upstream(mirror: string, name: string, state: UpstreamState): Readonly<Record<string, string>> {
  const labels = `${mirror},upstream="${name}"`;
  return {
    [`imgapi_mirror_upstream_up{${labels}}`]: `${state.up}${HOURS}`,
    [`imgapi_mirror_upstream_list_age_seconds{${labels}}`]: `${state.ageSeconds}${HOURS}`,
    [`imgapi_mirror_upstream_breaker_open{${labels},kind="list"}`]: `${state.list ?? '0'}${HOURS}`,
    [`imgapi_mirror_upstream_breaker_open{${labels},kind="file"}`]: `${state.file ?? '0'}${HOURS}`,
  };
}

const WELL: UpstreamState = { up: '1', ageSeconds: '200' };
const OFFLINE: UpstreamState = { up: 'NaN', ageSeconds: '900000' };

function trouble(says: string, states: Readonly<Record<string, UpstreamState>>, count: number): BoardCase {
  return {
    board: 'overview',
    panel: 'Upstreams in trouble',
    legend: '{{instance}}',
    says,
    series: {
      ...interval(A),
      ...Object.assign({}, ...Object.entries(states).map(([name, state]) => upstream(A, name, state))),
      // Beside it one where all is well, and one that was not chosen.
      ...interval(B),
      ...upstream(B, 'x', WELL),
      ...interval('job="imgapi-mirror",instance="c"'),
      ...upstream('job="imgapi-mirror",instance="c"', 'x', { up: '0', ageSeconds: 'NaN' }),
    },
    shows: { [`{${A}}`]: count, [`{${B}}`]: 0 },
  };
}

const TROUBLES: readonly BoardCase[] = [
  trouble('all is well', { x: WELL, 'y-1.example': WELL }, 0),
  trouble('its list does not come, and no breaker opens', { x: { up: '0', ageSeconds: '2400' }, z: WELL }, 1),
  trouble('it is down in every way, and counts once', { x: { up: '0', ageSeconds: '9000', list: '1', file: '1' } }, 1),
  trouble('it answers, but with no list', { x: { up: '1', ageSeconds: '2400' } }, 1),
  trouble('it answers, but never had a list', { x: { up: '1', ageSeconds: 'NaN' } }, 1),
  trouble('files fail', { x: { ...WELL, file: '1' }, 'y-1.example': { ...WELL, list: '1' }, z: WELL }, 2),
  trouble('it has failed, and nobody has asked it since', { x: { ...WELL, list: '0.5', file: '0.5' } }, 0),
  trouble('each in its own way', { x: { ...WELL, file: '1' }, 'y-1.example': { up: '0', ageSeconds: 'NaN' } }, 2),
  trouble('nobody is asked', { x: OFFLINE }, 0),
  trouble('it was not chosen', { x: WELL, 'y-1-example': { up: '0', ageSeconds: 'NaN' } }, 0),
];

function listState(says: string, ofA: UpstreamState, ofB: UpstreamState, shows: number): BoardCase {
  const series = { ...interval(A), ...interval(B), ...upstream(A, 'x', ofA), ...upstream(B, 'x', ofB) };
  return {
    board: 'upstreams',
    panel: 'Lists',
    legend: '{{upstream}}',
    says,
    series,
    shows: { '{upstream="x"}': shows },
  };
}

const LISTS: readonly BoardCase[] = [
  { ...listState('both are offline', OFFLINE, OFFLINE, 1), isOfNaN: true },
  listState('both are well', WELL, WELL, 1),
  listState('one is down', WELL, { up: '0', ageSeconds: '9000' }, 0),
  listState('one is old', { up: '1', ageSeconds: '1000' }, WELL, 0.5),
  listState('one is offline', OFFLINE, WELL, 1),
  listState('one is offline, one down', OFFLINE, { up: '0', ageSeconds: 'NaN' }, 0),
  {
    board: 'upstreams',
    panel: 'Age of its list',
    legend: '{{upstream}}',
    says: 'the oldest counts, each by the interval of its own mirror',
    series: {
      ...interval(A),
      [`imgapi_mirror_catalog_refresh_interval_seconds{${B}}`]: `60${HOURS}`,
      ...upstream(A, 'x', { up: '1', ageSeconds: '600' }),
      ...upstream(B, 'x', { up: '1', ageSeconds: '300' }),
    },
    shows: { '{upstream="x"}': 5 },
  },
];

const GIB = 1024 ** 3;

/** All in GiB. */
interface DiskState {
  readonly max: string;
  readonly used: number;
  readonly reserved?: number;
  readonly free: number;
}

function disk(says: string, ofA: DiskState, near: number, leftBytes: number): readonly BoardCase[] {
  const state = (mirror: string, { max, used, reserved = 0, free }: DiskState): Readonly<Record<string, string>> => ({
    [`imgapi_mirror_cache_max_bytes{${mirror}}`]: `${max}${HOURS}`,
    [`imgapi_mirror_cache_used_bytes{${mirror}}`]: `${used * GIB}${HOURS}`,
    [`imgapi_mirror_cache_reserved_bytes{${mirror}}`]: `${reserved * GIB}${HOURS}`,
    [`imgapi_mirror_cache_free_bytes{${mirror}}`]: `${free * GIB}${HOURS}`,
    [`imgapi_mirror_cache_min_free_bytes{${mirror}}`]: `${10 * GIB}${HOURS}`,
  });
  const series = { ...state(A, ofA), ...state(B, { max: 'Inf', used: 1, free: 100 }) };
  const one = (panel: string, shows: BoardCase['shows']): BoardCase => {
    return { board: 'overview', panel, legend: '{{instance}}', says, series, shows };
  };
  return [
    one('Disk', { [`{${A}}`]: near, [`{${B}}`]: 0 }),
    one('Room left', { [`{${A}}`]: leftBytes, [`{${B}}`]: 90 * GIB }),
  ];
}

const DISKS: readonly BoardCase[] = [
  ...disk('there is room', { max: `${100 * GIB}`, used: 90, reserved: 2, free: 60 }, 0, 8 * GIB),
  ...disk('the limit is near', { max: `${100 * GIB}`, used: 97, reserved: 1, free: 60 }, 1, 2 * GIB),
  ...disk('something else has filled the disk', { max: 'Inf', used: 100, free: 9 }, 1, -GIB),
  ...disk('both are near', { max: `${100 * GIB}`, used: 99, free: 11 }, 2, GIB),
  ...disk('a large one keeps 10 GiB free', { max: `${2000 * GIB}`, used: 1992, free: 60 }, 0, 8 * GIB),
];

/** Of which everything is NaN. */
const UNTOLD_DISK: readonly BoardCase[] = ['Disk', 'Room left'].map((panel) => ({
  board: 'overview',
  panel,
  legend: '{{instance}}',
  says: 'a disk that does not tell is not said to have room',
  series: {
    [`imgapi_mirror_cache_max_bytes{${A}}`]: `Inf${HOURS}`,
    [`imgapi_mirror_cache_used_bytes{${A}}`]: `NaN${HOURS}`,
    [`imgapi_mirror_cache_reserved_bytes{${A}}`]: `0${HOURS}`,
    [`imgapi_mirror_cache_free_bytes{${A}}`]: `NaN${HOURS}`,
    [`imgapi_mirror_cache_min_free_bytes{${A}}`]: `${GIB}${HOURS}`,
  },
  isOfNaN: true,
  shows: { [`{${A}}`]: 1 },
}));

/** Of 80 bytes a minute half are broken off, most of those of clients that joined. */
const BROKEN_OFF = {
  [`imgapi_mirror_file_response_bytes_total{${A},result="join"}`]: '0+50x600',
  [`imgapi_mirror_file_response_bytes_total{${A},result="miss"}`]: '0+30x600',
  [`imgapi_mirror_file_broken_bytes_total{${A},result="join"}`]: '0+30x600',
  [`imgapi_mirror_file_broken_bytes_total{${A},result="miss"}`]: '0+10x600',
  [`imgapi_mirror_upstream_response_bytes_total{${A},upstream="x",kind="file"}`]: '0+30x600',
};

/** In the hour that is looked at, an answer is broken off that has run for long, and nothing is sent. */
const BROKEN_OFF_LATE = {
  [`imgapi_mirror_file_response_bytes_total{${A},result="miss"}`]: '0+100x500 50000x100',
  [`imgapi_mirror_file_broken_bytes_total{${A},result="miss"}`]: '0x580 5000x20',
  [`imgapi_mirror_upstream_response_bytes_total{${A},upstream="x",kind="file"}`]: '0+1x600',
};

const OTHERS: readonly BoardCase[] = [
  {
    board: 'overview',
    panel: 'Up',
    legend: '{{instance}}',
    says: 'other programs of the host are not there',
    series: { [`up{${A}}`]: `0${HOURS}`, [`up{${NODE_EXPORTER}}`]: `1${HOURS}` },
    shows: { [`up{${A}}`]: 0 },
  },
  {
    board: 'overview',
    panel: 'Up',
    legend: '{{instance}}',
    says: 'one that runs and cannot serve is told from one that can',
    series: {
      [`up{${A}}`]: `1${HOURS}`,
      [`up{${B}}`]: `1${HOURS}`,
      [`imgapi_mirror_ready{${A}}`]: `0${HOURS}`,
      [`imgapi_mirror_ready{${B}}`]: `1${HOURS}`,
    },
    shows: { [`{${A}}`]: 0.5, [`up{${B}}`]: 1 },
  },
  {
    board: 'overview',
    panel: 'Disk',
    legend: '{{instance}}',
    says: 'one that fails is told whatever room it has, or that it does not say',
    series: {
      [`imgapi_mirror_cache_max_bytes{${A}}`]: `Inf${HOURS}`,
      [`imgapi_mirror_cache_used_bytes{${A}}`]: `NaN${HOURS}`,
      [`imgapi_mirror_cache_reserved_bytes{${A}}`]: `0${HOURS}`,
      [`imgapi_mirror_cache_free_bytes{${A}}`]: `NaN${HOURS}`,
      [`imgapi_mirror_cache_min_free_bytes{${A}}`]: `${GIB}${HOURS}`,
      [`imgapi_mirror_cache_writable{${A}}`]: `0${HOURS}`,
      [`imgapi_mirror_cache_max_bytes{${B}}`]: `Inf${HOURS}`,
      [`imgapi_mirror_cache_used_bytes{${B}}`]: `${GIB}${HOURS}`,
      [`imgapi_mirror_cache_reserved_bytes{${B}}`]: `0${HOURS}`,
      [`imgapi_mirror_cache_free_bytes{${B}}`]: `${90 * GIB}${HOURS}`,
      [`imgapi_mirror_cache_min_free_bytes{${B}}`]: `${GIB}${HOURS}`,
      [`imgapi_mirror_cache_writable{${B}}`]: `1${HOURS}`,
    },
    shows: { [`{${A}}`]: 3, [`{${B}}`]: 0 },
  },
  {
    board: 'process',
    panel: 'Memory',
    legend: '{{instance}} resident',
    says: 'of the mirror, not of what else runs there',
    series: {
      [`process_resident_memory_bytes{${A}}`]: `100${HOURS}`,
      [`process_resident_memory_bytes{${NODE_EXPORTER}}`]: `200${HOURS}`,
      [`process_resident_memory_bytes{job="other.mirrors",instance="host.example"}`]: `300${HOURS}`,
      [`process_resident_memory_bytes{job="otherxmirrors",instance="hostxexample"}`]: `400${HOURS}`,
    },
    shows: {
      [`process_resident_memory_bytes{${A}}`]: 100,
      'process_resident_memory_bytes{job="other.mirrors",instance="host.example"}': 300,
    },
  },
  {
    board: 'overview',
    panel: 'WAN saved',
    legend: 'saved',
    says: 'nothing, where nothing was sent',
    series: {
      [`imgapi_mirror_file_response_bytes_total{${A},result="hit"}`]: `0${HOURS}`,
      [`imgapi_mirror_file_broken_bytes_total{${A},result="hit"}`]: `0${HOURS}`,
      [`imgapi_mirror_upstream_response_bytes_total{${A},upstream="x",kind="list"}`]: '0+10x600',
    },
    shows: {},
  },
  {
    board: 'overview',
    panel: 'WAN saved',
    legend: 'saved',
    says: 'the part that did not come from upstreams',
    series: {
      [`imgapi_mirror_file_response_bytes_total{${A},result="hit"}`]: '0+60x600',
      [`imgapi_mirror_file_response_bytes_total{${A},result="miss"}`]: '0+20x600',
      [`imgapi_mirror_file_broken_bytes_total{${A},result="hit"}`]: `0${HOURS}`,
      [`imgapi_mirror_upstream_response_bytes_total{${A},upstream="x",kind="file"}`]: '0+20x600',
    },
    shows: { '{}': 0.75 },
  },
  {
    board: 'overview',
    panel: 'WAN saved',
    legend: 'saved',
    says: 'of what was not broken off',
    series: BROKEN_OFF,
    shows: { '{}': 0.25 },
  },
  {
    board: 'overview',
    panel: 'WAN bytes saved',
    legend: 'saved',
    says: 'of what was not broken off',
    series: BROKEN_OFF,
    shows: { '{}': 60 * 10 },
  },
  {
    board: 'overview',
    panel: 'WAN bytes saved',
    legend: 'saved',
    says: 'nothing, less what came, where more was broken off than sent',
    series: BROKEN_OFF_LATE,
    shows: { '{}': -60 },
  },
  {
    board: 'overview',
    panel: 'WAN saved',
    legend: 'saved',
    says: 'nothing, where more was broken off than sent',
    series: BROKEN_OFF_LATE,
    shows: {},
  },
  {
    board: 'overview',
    panel: 'Hit ratio of files',
    legend: 'by bytes',
    says: 'of what was not broken off',
    series: BROKEN_OFF,
    shows: { '{}': 0.5 },
  },
  {
    board: 'overview',
    panel: 'Answered with an error',
    legend: '{{instance}}',
    says: 'of what hosts asked for, not of what the mirror is asked by its operators',
    series: {
      [`imgapi_mirror_http_requests_total{${A},route="file",method="GET",code="5xx"}`]: '0+1x600',
      [`imgapi_mirror_http_requests_total{${A},route="file",method="GET",code="broken"}`]: '0+1x600',
      [`imgapi_mirror_http_requests_total{${A},route="images",method="GET",code="2xx"}`]: '0+6x600',
      [`imgapi_mirror_http_requests_total{${A},route="ready",method="GET",code="5xx"}`]: '0+50x600',
      [`imgapi_mirror_http_requests_total{${B},route="file",method="GET",code="5xx"}`]: `0${HOURS}`,
    },
    shows: { [`{${A}}`]: 0.25 },
  },
  {
    board: 'overview',
    panel: 'Wrong bytes',
    legend: '{{instance}}',
    says: 'right bytes with a wrong Content-MD5 are right',
    series: {
      [`imgapi_mirror_integrity_checks_total{${A},result="right"}`]: '0+9x600',
      [`imgapi_mirror_integrity_checks_total{${A},result="sha1"}`]: '0+2x600',
      [`imgapi_mirror_integrity_checks_total{${A},result="size"}`]: '0+1x600',
      [`imgapi_mirror_integrity_checks_total{${A},result="md5"}`]: '0+5x600',
    },
    shows: { [`{${A}}`]: 180 },
  },
  {
    board: 'overview',
    panel: 'Failed requests to upstreams',
    legend: '{{upstream}}',
    says: 'a list that is not there is a failure, an image that is not there is none',
    series: {
      [`imgapi_mirror_upstream_requests_total{${A},upstream="x",kind="list",result="4xx"}`]: '0+60x600',
      [`imgapi_mirror_upstream_requests_total{${A},upstream="x",kind="manifest",result="4xx"}`]: '0+600x600',
      [`imgapi_mirror_upstream_requests_total{${A},upstream="x",kind="file",result="timeout"}`]: '0+120x600',
    },
    shows: { '{upstream="x"}': 3 },
  },
];

export const BOARD_CASES: readonly BoardCase[] = [...TROUBLES, ...LISTS, ...DISKS, ...UNTOLD_DISK, ...OTHERS];
