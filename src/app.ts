/** Wires the rooms together. Builds, never listens; what it returns is closed by its caller. */
import type { FastifyInstance } from 'fastify';
import { createDigester } from './blobs/digester.ts';
import { createSpaceKeeper, type SpaceKeeper } from './blobs/reservation.ts';
import { createBlobStore } from './blobs/store.ts';
import { createCatalog, type Catalog } from './catalog/catalog.ts';
import { createResolver } from './catalog/resolve.ts';
import type { Log } from './config/log.ts';
import { PRODUCT } from './config/product.ts';
import type { Config } from './config/schema.ts';
import { createIcons } from './downloads/icons.ts';
import { createDownloads, type Downloads } from './downloads/registry.ts';
import { createCompressor } from './http/compress.ts';
import { createJsonSender } from './http/json-reply.ts';
import { channelsRoute } from './http/routes/channels.ts';
import { healthRoute } from './http/routes/health.ts';
import { imageFileRoute } from './http/routes/image-file.ts';
import { imageIconRoute } from './http/routes/image-icon.ts';
import { imageRoute } from './http/routes/image.ts';
import { imagesRoute } from './http/routes/images.ts';
import { metricsRoute } from './http/routes/metrics.ts';
import { pingRoute } from './http/routes/ping.ts';
import { createServer, type FinishedRequest } from './http/server.ts';
import { registerGauges } from './metrics/gauges.ts';
import { createMetrics, type Metrics } from './metrics/metrics.ts';
import { countRequest, meterHttpClient } from './metrics/meters.ts';
import { createKeeper } from './records/keeper.ts';
import { createKeptManifests } from './records/kept-manifests.ts';
import { createRecords, type RecordsStore } from './records/records.ts';
import { createHttpClient } from './upstream/http-client.ts';
import { createImgapiUpstream } from './upstream/imgapi-upstream.ts';
import type { Upstream } from './upstream/upstream.ts';

export interface AppDeps {
  readonly log: Log;
  /** Where the records are kept; closed with the app. */
  readonly recordsStore: RecordsStore;
  /** PEM text of each upstream's `caFile`, by the upstream's name. */
  readonly caOf: (upstream: string) => string | undefined;
  readonly hostname: string;
  readonly nodeVersion: string;
  /** ms since the epoch. */
  readonly now: () => number;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** [0, 1) */
  readonly random: () => number;
}

export interface App {
  readonly server: FastifyInstance;
  readonly catalog: Catalog;
  readonly downloads: Downloads;
  readonly upstreams: readonly Upstream[];
  readonly space: SpaceKeeper;
  /** Begins to refresh the catalog and to count what is stored. Resolves when saved lists are loaded. */
  start(): Promise<void>;
  /** Ends everything in order; running responses are the server's to drain first. */
  close(): Promise<void>;
}

export function createApp(config: Config, deps: AppDeps): App {
  const { log, now, monotonicNow, random } = deps;
  const product = `${PRODUCT.name}/${PRODUCT.version}`;
  const { dir, maxBytes, minFreeBytes, finishAbandoned } = config.cache;
  const metrics = createMetrics({
    version: PRODUCT.version,
    nodeVersion: deps.nodeVersion,
    upstreams: config.upstreams.map(({ name }) => name),
  });

  const upstreams = config.upstreams.map((upstream) => createUpstream(config, upstream, deps, metrics, product));
  const records = createRecords({ store: deps.recordsStore, log });
  const kept = createKeptManifests({ log }, { dir });
  const blobs = createBlobStore({ log }, { dir });
  const digester = createDigester();
  const scanned = Promise.withResolvers<void>();
  const stopScan = new AbortController();
  const space = createSpaceKeeper({ usedBytes: () => blobs.totals().bytes }, { dir, maxBytes, minFreeBytes });

  const catalog = createCatalog(
    { upstreams, records, kept, log, now, random },
    { refreshEveryMs: config.catalog.refreshEvery },
  );
  const resolver = createResolver(
    {
      catalog,
      records,
      kept,
      log,
      now,
      onNegative: () => metrics.cacheResults.inc({ kind: 'manifest', result: 'negative' }),
    },
    { negativeTtlMs: config.catalog.negativeTtl, lookupFreshMs: config.catalog.refreshEvery },
  );
  const downloads = createDownloads(
    {
      blobs,
      // Until the store is counted nobody knows how much of maxBytes is left.
      space:
        maxBytes === null
          ? space
          : { ...space, reserve: async (bytes) => scanned.promise.then(() => space.reserve(bytes)) },
      digester,
      log,
      now,
      random,
      onEnd({ result, seconds }) {
        metrics.downloads.inc({ result });
        metrics.downloadSeconds.observe(seconds);
      },
      onPassed: (isRight) => metrics.passed.inc({ result: isRight ? 'right' : 'failed' }),
    },
    { upstreams, finishAbandoned },
  );
  const upstreamOf = (name: string): Upstream | undefined => upstreams.find((upstream) => upstream.name === name);
  const icons = createIcons({ blobs, kept, upstreamOf, log, now });
  const keeper = createKeeper({ kept, records, log, now });

  const updateGauges = registerGauges(metrics.registry, {
    downloads: () => {
      const running = [...downloads.running];
      return { running: running.length, followers: running.reduce((sum, { followers }) => sum + followers, 0) };
    },
    storage: async () => ({
      ...blobs.totals(),
      ...space.limits(),
      freeBytes: await space.free(),
      reservedBytes: space.reservedBytes(),
    }),
    catalog: () => {
      const state = catalog.state();
      const parts = state.upstreams.map(({ fetchedAtMs, problem, ...part }) => ({
        ...part,
        isUp: problem === undefined && part.refreshes.ok > 0,
        ageSeconds: fetchedAtMs === undefined ? undefined : (now() - fetchedAtMs) / 1000,
      }));
      return { ...state, upstreams: parts };
    },
  });

  const onFinished = (request: FinishedRequest): void => {
    countRequest(metrics, request);
    logRequest(log, request);
  };
  const server = createServer({ log, monotonicNow, onFinished }, { product, hostname: deps.hostname });
  const sendJson = createJsonSender(createCompressor());
  pingRoute(server, { sendJson, product });
  channelsRoute(server, { sendJson, catalog });
  imagesRoute(server, { sendJson, catalog, resolver, now });
  imageRoute(server, { sendJson, catalog, resolver, now });
  imageFileRoute(server, {
    catalog,
    resolver,
    blobs,
    downloads,
    keeper,
    log,
    monotonicNow,
    clientStallTimeoutMs: config.listen.clientStallTimeout,
  });
  imageIconRoute(server, { catalog, resolver, icons });
  healthRoute(server, { sendJson, version: PRODUCT.version });
  if (config.metrics.enabled) {
    const { registry } = metrics;
    const text = async (): Promise<string> => {
      await updateGauges();
      return registry.metrics();
    };
    metricsRoute(server, { metrics: { contentType: registry.contentType, text } });
  }

  return {
    server,
    catalog,
    downloads,
    upstreams,
    space,
    async start() {
      await catalog.start();
      blobs.scan(stopScan.signal).then(
        () => scanned.resolve(),
        (error: unknown) => {
          log.error({ err: error, dir }, 'the store could not be counted');
          scanned.resolve();
        },
      );
    },
    async close() {
      stopScan.abort();
      resolver.close();
      icons.close();
      await downloads.close();
      await keeper.close();
      await catalog.close();
      await Promise.all(upstreams.map(async (upstream) => upstream.close()));
      await digester.close();
      await records.close();
    },
  };
}

function createUpstream(
  config: Config,
  options: Config['upstreams'][number],
  deps: AppDeps,
  metrics: Metrics,
  product: string,
): Upstream {
  const { name, url } = options;
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
  });
  return createImgapiUpstream(
    { http: meterHttpClient(http, name, metrics, deps.monotonicNow) },
    {
      name,
      url,
      channel: options.channel ?? undefined,
      maxDownloads: options.maxDownloads,
      jsonTimeoutMs: config.catalog.timeout,
      listMaxBytes: config.catalog.maxBytes,
    },
  );
}

function logRequest(log: Log, request: FinishedRequest): void {
  const { requestId: reqId, seconds, isAborted, ...rest } = request;
  const line = { reqId, ...rest, durationMs: Math.round(seconds * 1000), ...(isAborted ? { aborted: true } : {}) };
  log.info(line, isAborted ? 'response aborted' : 'response finished');
}
