/** The upstreams of a configuration, each behind its breakers, its clock check and its meters. */
import type { Config } from '../config/schema.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { meterHttpClient } from '../metrics/meters.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { createBandwidth, createDemandWatch, type Bandwidth } from '../upstream/bandwidth.ts';
import { createClockCheck, type ClockCheck } from '../upstream/clock-check.ts';
import { guardUpstream, watchHttpClient } from '../upstream/guarded-upstream.ts';
import { createUpstreamHealth, type HealthKind, type UpstreamHealth } from '../upstream/health.ts';
import { createHttpClient } from '../upstream/http-client.ts';
import { createImgapiUpstream } from '../upstream/imgapi-upstream.ts';
import { paceUpstream } from '../upstream/paced-upstream.ts';
import { createOfflineHttpClient } from '../upstream/offline-http-client.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { traceAttempts, traceHttpClient, type UpstreamSpansDeps } from '../tracing/upstream-spans.ts';
import { createLoopWatch, type LoopWatch } from '../upstream/loop-watch.ts';
import { createVia, type Via } from '../upstream/via.ts';
import type { AppDeps } from './deps.ts';

export interface Upstreams {
  /** In the order of precedence. */
  readonly all: readonly Upstream[];
  readonly healths: ReadonlyMap<string, UpstreamHealth>;
  readonly healthOf: (upstream: string) => UpstreamHealth;
  readonly bandwidths: ReadonlyMap<string, Bandwidth>;
  readonly clocks: ClockCheck;
  readonly via: Via;
  readonly loops: LoopWatch;
  /** Applies the bandwidths of another configuration. */
  update(next: Config): void;
}

export function createUpstreams(
  config: Config,
  deps: AppDeps,
  metrics: Metrics,
  product: string,
  /** Undefined: nothing is traced. */
  traces: UpstreamSpansDeps | undefined,
): Upstreams {
  const clocks = createClockCheck({ log: deps.log, now: deps.now });
  const via = createVia();
  const loops = createLoopWatch({ via, monotonicNow: deps.monotonicNow });
  const healths = new Map(config.upstreams.map(({ name }) => [name, createHealth(name, deps, metrics)]));
  function healthOf(upstream: string): UpstreamHealth {
    const health = healths.get(upstream);
    if (health === undefined) throw new MirrorError('InternalError', `no upstream is named ${upstream}`);
    return health;
  }
  const demand = createDemandWatch();
  const bandwidths = new Map<string, Bandwidth>();
  const all = config.upstreams.map((upstream) => {
    const bandwidth = createBandwidth({ ...deps, demand }, upstream.bandwidth);
    bandwidths.set(upstream.name, bandwidth);
    const guarded = createUpstream(config, upstream, deps, metrics, {
      product,
      clocks,
      via: via.headerFor(upstream.name),
      loops,
      health: healthOf(upstream.name),
      traces,
    });
    const paced = paceUpstream(guarded, bandwidth);
    return traces === undefined ? paced : traceAttempts(paced, traces);
  });
  return {
    all,
    healths,
    healthOf,
    bandwidths,
    clocks,
    via,
    loops,
    update(next) {
      for (const { name, bandwidth } of next.upstreams) bandwidths.get(name)?.update(bandwidth);
    },
  };
}

function createUpstream(
  config: Config,
  options: Config['upstreams'][number],
  deps: AppDeps,
  metrics: Metrics,
  around: {
    readonly product: string;
    readonly clocks: ClockCheck;
    readonly via: string;
    readonly loops: LoopWatch;
    readonly health: UpstreamHealth;
    readonly traces: UpstreamSpansDeps | undefined;
  },
): Upstream {
  const { name, url } = options;
  const { product, clocks, via, loops, health, traces } = around;
  const about = {
    name,
    url,
    channel: options.channel ?? undefined,
    maxDownloads: options.maxDownloads,
    prefetchDownloads: options.prefetchDownloads,
    jsonTimeoutMs: config.catalog.timeout,
    listMaxBytes: config.catalog.maxBytes,
  };
  // Neither watched nor metered: nobody fails who is not asked.
  if (config.offline) return createImgapiUpstream({ http: createOfflineHttpClient(name) }, about);
  const http = createHttpClient({
    name,
    url,
    userAgent: product,
    headers: options.headers,
    ca: deps.caOf(name),
    insecure: options.insecure,
    connectTimeoutMs: options.connectTimeout,
    stallTimeoutMs: options.stallTimeout,
    proxy: options.proxy,
    allowAddresses: options.allowAddresses,
    allowRedirectsTo: options.allowRedirectsTo,
    via,
  });
  const metered = meterHttpClient(http, name, metrics, deps.monotonicNow);
  const traced = traces === undefined ? metered : traceHttpClient(metered, name, traces);
  const watched = loops.watchHttpClient(clocks.watch(name, watchHttpClient(traced, health)), name);
  const upstream = createImgapiUpstream({ http: watched }, about);
  return guardUpstream(loops.guard(upstream), health);
}

function createHealth(name: string, { log, monotonicNow }: AppDeps, metrics: Metrics): UpstreamHealth {
  // A breaker opens again after each try that fails: that is no news.
  const failing = new Set<HealthKind>();
  return createUpstreamHealth(
    {
      monotonicNow,
      onTransition(kind, to) {
        metrics.breakerTransitions.inc({ upstream: name, kind, to });
        if (to === 'closed') {
          failing.delete(kind);
          log.info({ upstream: name, kind }, 'upstream is well again');
        } else if (!failing.has(kind)) {
          failing.add(kind);
          log.warn({ upstream: name, kind }, 'upstream is failing');
        }
      },
    },
    { name },
  );
}
