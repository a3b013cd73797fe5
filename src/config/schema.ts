/**
 * The whole configuration, once: every key with its kind, default, bounds and description. Loading, printing, the environment's names, the
 * documentation and the types all follow from it. Keys whose feature is not built yet are listed in not-yet.ts.
 */
import type { TSchema } from 'typebox';
import {
  choice,
  flag,
  headerMap,
  integer,
  list,
  nullable,
  rate,
  section,
  size,
  text,
  time,
  type KeySchema,
  type Static,
} from './schema-kinds.ts';
import { log, metrics, tracing } from './telemetry-keys.ts';

/** The longest a timer can wait (2^31 - 1 ms) is a little under 25 days; a longer one would fire at once. */
const LONGEST_TIMER = '24d';

const listen = section('Where clients reach the mirror.', {
  host: text({
    default: '0.0.0.0',
    format: 'host',
    description:
      'The address to listen on: an IP address or a host name. `0.0.0.0` is every IPv4 address, `::` every address.',
  }),
  port: integer({
    default: 8080,
    minimum: 0,
    maximum: 65_535,
    description: 'The TCP port to listen on. 0 lets the system choose one, which is printed at start.',
  }),
  tls: section('HTTPS instead of HTTP, from PEM files; both or neither.', {
    certFile: nullable(
      text({
        format: 'path',
        example: '/etc/imgapi-mirror/cert.pem',
        description: 'The certificate, then those that lead to its authority. Read again on SIGHUP.',
      }),
    ),
    keyFile: nullable(
      text({
        format: 'path',
        example: '/etc/imgapi-mirror/key.pem',
        description: 'Its private key, RSA or ECDSA, without a passphrase. Read again on SIGHUP.',
      }),
    ),
  }),
  allow: list(text({ format: 'cidr', description: 'An address range, such as `10.0.0.0/8`.' }), {
    default: [],
    description:
      'Client address ranges (CIDR) that are served; empty serves everyone. Others are answered 403; only `/_mirror/health` and `/_mirror/ready` answer this machine itself as well. Behind a proxy it is the proxy whose address counts. Applied on SIGHUP.',
  }),
  maxResponsesPerClient: nullable(
    integer({
      minimum: 1,
      maximum: 100_000,
      description:
        'Most responses that run at one time for one client address; more are answered 503. One imgadm uses up to 5. Null is no limit. Applied on SIGHUP.',
    }),
  ),
  publicUrl: nullable(
    text({
      format: 'http-url',
      example: 'http://mirror.example.com:8080',
      description:
        'How clients reach the mirror, for the setup script and for rewritten URLs. Without it the strictly checked Host header of each request is used. Below a path of a proxy hosts find their images, but the page needs the top.',
    }),
  ),
  clientStallTimeout: time({
    default: '30m',
    atLeast: '1ms',
    atMost: LONGEST_TIMER,
    description:
      'A client that takes no byte of an answer for this long is dropped. The download it was following goes on.',
  }),
  drainTimeout: time({
    default: '30s',
    atMost: '1d',
    description:
      'After SIGTERM, running answers have this long to end before their connections are closed. 0 closes them at once.',
  }),
});

const bandwidth = section('How much of the line to this upstream may be used.', {
  limit: nullable(
    rate({
      example: '5MiB',
      atLeast: '1KiB',
      description:
        'The most that all transfers of files take together, per second; clients first, the prefetcher has what they leave. Null is no limit: then the prefetcher crawls (64 KiB per second) while anything is fetched for clients. Applied on SIGHUP.',
    }),
  ),
  schedule: list(
    section('Another limit for some hours of some days.', {
      from: text({
        format: 'begin-time',
        example: '08:00',
        description: "When it begins, by the clock of the mirror's time zone (`TZ`), such as `08:00`.",
      }),
      to: text({
        format: 'end-time',
        example: '18:00',
        description:
          'When it ends, such as `18:00`; `24:00` is midnight. A time before `from` is on the next day, the same time makes it a whole day.',
      }),
      days: text({
        default: 'mon-sun',
        format: 'days',
        example: 'mon-fri',
        description:
          'The days it is for, such as `mon-fri` or `sat,sun`. Hours past midnight belong to the day on which they began.',
      }),
      limit: nullable(
        rate({ example: '5MiB', atLeast: '1KiB', description: 'The limit in those hours. Null is no limit.' }),
      ),
    }),
    { default: [], description: 'Limits by the hour; the first that fits is used, else `limit`. Applied on SIGHUP.' },
  ),
});

const upstream = section('One image server.', {
  name: text({
    derived: "the URL's host, `host:port` where needed to stay unique",
    format: 'upstream-name',
    maxLength: 64,
    example: 'smartos',
    description:
      'A short unique name for logs and metrics: letters, digits, `.`, `_`, `:` and `-`. `imported` is taken.',
  }),
  kind: choice(['imgapi', 'dsapi', 'directory'], {
    default: 'imgapi',
    description: 'What it speaks: IMGAPI, the legacy dataset API, or a local folder of manifests and files.',
  }),
  url: text({
    example: 'https://images.smartos.org',
    description:
      'Its base URL, http or https, without query or credentials; the path of the folder for kind `directory`.',
  }),
  channel: nullable(
    text({
      maxLength: 64,
      format: 'channel',
      example: 'release',
      description: 'The channel to ask for, or `"*"` for all; null is the upstream\'s default.',
    }),
  ),
  caFile: nullable(
    text({ description: 'PEM certificates to trust for this upstream, in place of the ones that come with Node.' }),
  ),
  insecure: flag({
    default: false,
    description:
      'True turns certificate checks off for this upstream alone, with a warning at start. Files are still checked against their manifest.',
  }),
  headers: headerMap({
    default: {},
    description:
      'Headers sent with every request to this upstream, such as Authorization; never sent to another origin.',
  }),
  include: list(text({ format: 'list-selector', description: 'A selector, such as `os=smartos latest=3`.' }), {
    default: [],
    description:
      'Selectors: of its list only these images are merged; empty is all of it. An image that is left out is in no list, and still served to whom asks for its uuid, as origins are.',
  }),
  exclude: list(text({ format: 'list-selector', description: 'A selector, such as `name=test-*`.' }), {
    default: [],
    description: 'Selectors: these images are left out of its list, whatever `include` says.',
  }),
  connectTimeout: time({
    default: '10s',
    atLeast: '1ms',
    atMost: '1h',
    description: 'The longest wait for a connection, the TLS handshake included.',
  }),
  stallTimeout: time({
    default: '30s',
    atLeast: '1ms',
    atMost: '1d',
    description:
      'No header or byte for this long, and the attempt has failed. There is no limit on the whole of a transfer.',
  }),
  maxDownloads: integer({
    default: 16,
    minimum: 1,
    maximum: 1000,
    description:
      'Most downloads that clients wait for at one time; one that is queued for longer than 60 s is answered 503.',
  }),
  prefetchDownloads: integer({
    default: 2,
    minimum: 1,
    maximum: 1000,
    description: 'Most downloads of the prefetcher at one time, beside those of `maxDownloads`.',
  }),
  proxy: text({
    default: 'env',
    format: 'proxy',
    description:
      'The HTTP proxy to go through: `env` (the variables http_proxy, https_proxy and no_proxy), `none`, or its URL.',
  }),
  allowAddresses: list(text({ format: 'cidr', description: 'An address range, such as `127.0.0.0/8`.' }), {
    default: [],
    description:
      "Address ranges (CIDR) the upstream's name may resolve to among loopback, link-local and cloud metadata addresses. An address or localhost written in `url` is allowed by being written; private ranges are always allowed. Behind a proxy it is the proxy that resolves names: only `localhost` and names below it are refused here.",
  }),
  allowRedirectsTo: list(text({ format: 'origin', description: 'An origin, such as `https://cdn.example.com`.' }), {
    default: [],
    description: 'Other origins a redirect may lead to. Without them a redirect must stay within the upstream.',
  }),
  bandwidth,
});

const catalog = section('The merged list of images.', {
  refreshEvery: time({
    default: '5m',
    atLeast: '1s',
    atMost: LONGEST_TIMER,
    description:
      'How often the lists of the upstreams are fetched again; conditionally, where an upstream supports it.',
  }),
  listOnlyCached: flag({
    default: false,
    description:
      'True lists only images whose files are all cached, for sites without a line out. The others are still served by uuid.',
  }),
  timeout: time({
    default: '60s',
    atLeast: '1ms',
    atMost: '1h',
    description: 'The longest the fetch of one list may take.',
  }),
  maxBytes: size({
    default: '64MiB',
    atLeast: '1KiB',
    atMost: '256MiB',
    description: 'A larger list is refused and the last good one stays.',
  }),
  negativeTtl: time({
    default: '60s',
    atMost: '1d',
    description: 'How long it is remembered that every upstream said an image does not exist. 0 asks again each time.',
  }),
});

const cache = section('What is kept on disk.', {
  dir: text({
    default: './var/cache',
    format: 'path',
    description: 'The folder everything is kept in; made if it does not exist. One process at a time can use it.',
  }),
  maxBytes: nullable(
    size({
      example: '200GiB',
      atLeast: '1MiB',
      description:
        'The most the folder may hold, everything counted. The least recently used files go when less than 5 % is left (10 GiB at most), until 10 % is. Null: only `minFreeBytes` limits it.',
    }),
  ),
  minFreeBytes: size({
    default: '5GiB',
    description:
      'This much of the file system is left free: files go as for `maxBytes`; what does not fit even so is passed through uncached.',
  }),
  finishAbandoned: flag({
    default: true,
    description: 'A download goes on when its last client leaves. False stops it and keeps its partial.',
  }),
  keepPartials: time({
    default: '7d',
    atLeast: '1m',
    atMost: '3650d',
    description: 'How long the file of an unfinished download is kept for resuming. It goes first when room is needed.',
  }),
  keepQuarantined: time({
    default: '7d',
    atMost: '3650d',
    description:
      'How long files that failed their SHA-1 are kept for inspection, 100 at most. They go first when room is needed.',
  }),
  scrubEvery: time({
    default: '30d',
    atLeast: '1h',
    atMost: '3650d',
    orZero: true,
    description:
      'How often every stored file is read again in the background, spread over the time, at 32 MiB/s at most; what has rotted is quarantined and fetched anew. 0 leaves it to the command `scrub`. Applied on SIGHUP.',
  }),
});

const prefetch = list(
  section('One set of images to have before anyone asks.', {
    select: list(text({ format: 'selector', description: 'A selector.' }), {
      default: [],
      description: 'Selectors of the images to fetch, such as `"name=base-64-lts latest=2 with-origins"`.',
    }),
    every: nullable(
      time({
        example: '6h',
        atLeast: '1m',
        atMost: LONGEST_TIMER,
        description:
          'How often, and once at the start; null is never. What failed is tried again sooner: after a minute, then later and later, up to half an hour.',
      }),
    ),
    window: nullable(
      text({
        format: 'time-window',
        example: '01:00-05:00',
        description:
          "The hours in which it may run, by the clock of the mirror's time zone (`TZ`); `22:00-06:00` goes past midnight. Where they end it is stopped, and goes on when they begin again. Null is any.",
      }),
    ),
    pin: flag({
      default: false,
      description:
        'True pins what the selectors match, with all it rests on: eviction never takes it. Followed as the lists change; what is not matched any more is let go of.',
    }),
  }),
  {
    default: [{ select: [], every: null, window: null, pin: false }],
    description: 'Images fetched by schedule, after whatever clients want. Applied on SIGHUP.',
  },
);

const store = section('Storage shared by several mirrors.', {
  index: nullable(
    text({ secret: true, description: 'Where records are kept: null is a file in `cache.dir`; or `redis://...`.' }),
  ),
  blobs: nullable(
    section('Where files are kept beyond `cache.dir`: null is nowhere.', {
      s3: section('An S3-compatible object store.', {
        endpoint: text({ description: 'The URL of the server.' }),
        bucket: text({ description: 'The bucket.' }),
        region: text({ default: 'us-east-1', description: 'The region, for signing.' }),
        prefix: nullable(text({ description: 'Put before the names of all objects.' })),
        forcePathStyle: flag({ default: true, description: 'The bucket is named in the path, not in the host name.' }),
      }),
    }),
  ),
});

/** Most upstreams: each costs a full list in memory and a set of metric series. */
const MAX_UPSTREAMS = 50;

/** The configuration's schema. Walk it as a `KeySchema` (see `CONFIG_KEYS`). */
export const ConfigSchema = section('The configuration of imgapi-mirror.', {
  listen,
  upstreams: list(upstream, {
    minItems: 1,
    maxItems: MAX_UPSTREAMS,
    default: [{ name: 'smartos', url: 'https://images.smartos.org' }],
    description:
      'The image servers that are mirrored. Their order is their precedence: an image that two of them have is taken from the first.',
  }),
  catalog,
  cache,
  prefetch,
  offline: flag({
    default: false,
    description:
      'True never opens a connection: the saved lists are shown, what is cached or imported is served, and the rest is answered 503.',
  }),
  admin: section('Who may change things over the API. Set one of the two.', {
    token: nullable(text({ secret: true, description: 'The bearer token for writes.' })),
    tokenFile: nullable(text({ description: 'A file that holds the token.' })),
  }),
  metrics,
  tracing,
  log,
  store,
});

/** The same schema for code that walks keys. */
export const CONFIG_KEYS: KeySchema = ConfigSchema as TSchema;

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** The resolved configuration: the file's key names; sizes in bytes, times in milliseconds, rates in bytes per second. */
export type Config = DeepReadonly<Static<typeof ConfigSchema>>;

/** One entry of `upstreams`, resolved. `name` is always there; `url` has no trailing slash. */
export type UpstreamConfig = Config['upstreams'][number];
