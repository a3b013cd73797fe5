/** The server with all its routes. */
import type { FastifyInstance } from 'fastify';
import type { BlobStore } from '../blobs/store.ts';
import type { CachedOnly } from '../catalog/cached-only.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Resolver } from '../catalog/resolve.ts';
import type { Log } from '../config/log.ts';
import { PRODUCT } from '../config/product.ts';
import type { Config } from '../config/schema.ts';
import type { Icons } from '../downloads/icons.ts';
import type { Downloads } from '../downloads/registry.ts';
import { createAdminAccess } from '../http/admin-access.ts';
import { createClientGate, type ClientGate } from '../http/client-gate.ts';
import { createCompressor } from '../http/compress.ts';
import { createJsonSender } from '../http/json-reply.ts';
import { apiRoutes } from '../http/routes/api.ts';
import { channelsRoute } from '../http/routes/channels.ts';
import { eventsRoute } from '../http/routes/events.ts';
import { healthRoute } from '../http/routes/health.ts';
import { imageFileRoute } from '../http/routes/image-file.ts';
import { imageIconRoute } from '../http/routes/image-icon.ts';
import { imageRoute } from '../http/routes/image.ts';
import { imagesRoute } from '../http/routes/images.ts';
import { metricsRoute } from '../http/routes/metrics.ts';
import { pageRoute } from '../http/routes/page.ts';
import { pingRoute } from '../http/routes/ping.ts';
import { readyRoute } from '../http/routes/ready.ts';
import { setupScriptRoute } from '../http/routes/setup-script.ts';
import type { RequestContext } from '../http/request-context.ts';
import { createServer, type FinishedRequest } from '../http/server.ts';
import { trackSilentConnections, type SilentConnections } from '../http/silent-connections.ts';
import type { SecureServers } from '../http/tls.ts';
import { countRequest, countSent } from '../metrics/meters.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Keeper } from '../records/keeper.ts';
import type { Readiness } from '../operations/ready.ts';
import type { Operations } from '../operations/verbs.ts';
import { createPage } from '../page/page.ts';
import type { RequestSpans } from '../tracing/request-spans.ts';
import type { Via } from '../upstream/via.ts';
import type { AppDeps } from './deps.ts';

/** The rooms that requests reach. */
export interface HttpRooms {
  readonly deps: AppDeps;
  /** `imgapi-mirror/x.y.z` */
  readonly product: string;
  readonly metrics: Metrics;
  readonly catalog: Catalog;
  readonly resolver: Resolver;
  readonly blobs: BlobStore;
  readonly downloads: Downloads;
  readonly keeper: Keeper;
  readonly operations: Operations;
  readonly readiness: Readiness;
  /** Aborted when the mirror stops. */
  readonly stopping: AbortSignal;
  readonly icons: Icons;
  readonly cachedOnly: CachedOnly;
  readonly via: Via;
  /** Another mirror has asked for something. */
  readonly onMirrorAsks: () => void;
  readonly secure: SecureServers | undefined;
  /** Undefined: nothing is traced. */
  readonly spans: RequestSpans | undefined;
  /** Brings the gauges up to date before a scrape. */
  readonly updateGauges: () => Promise<void>;
}

export interface HttpOptions {
  /** Read for every request. */
  readonly listen: Config['listen'];
  /** Read for every list. */
  readonly catalog: Config['catalog'];
  readonly isOffline: boolean;
  readonly isMetricsServed: boolean;
}

export interface Http {
  readonly server: FastifyInstance;
  readonly gate: ClientGate;
  readonly silent: SilentConnections;
}

export function createHttp(rooms: HttpRooms, options: HttpOptions): Http {
  const { product, metrics, catalog, resolver, blobs, downloads, keeper, icons, via, secure } = rooms;
  const { log, now, monotonicNow, hostname } = rooms.deps;
  const { isOffline } = options;
  const onFinished = (request: FinishedRequest, context: RequestContext): void => {
    countRequest(metrics, request);
    logRequest(log, request);
    rooms.spans?.onFinished(request, context);
  };
  const gate = createClientGate({ onRefused: (reason) => metrics.refused.inc({ reason }) }, options.listen);
  const server = createServer(
    {
      log,
      monotonicNow,
      onFinished,
      onSent: (answer, bytes) => countSent(metrics, answer, bytes),
      gate,
      secure,
      loopThrough: (header) => via.upstreamIn(header),
      answerVia(header, isPing) {
        if (!via.isMirrors(header)) return undefined;
        // Pings are how mirrors find out: they must not set off one another.
        if (!isPing) rooms.onMirrorAsks();
        return via.answerHeader();
      },
    },
    {
      product,
      hostname,
      get clientStallTimeoutMs() {
        return options.listen.clientStallTimeout;
      },
    },
  );
  rooms.spans?.watch(server);
  const compressor = createCompressor();
  const sendJson = createJsonSender(compressor);
  pingRoute(server, { sendJson, product });
  channelsRoute(server, { sendJson, catalog });
  imagesRoute(server, {
    sendJson,
    catalog,
    resolver,
    cachedOnly: rooms.cachedOnly,
    get isOnlyCachedListed() {
      return options.catalog.listOnlyCached;
    },
    now,
  });
  imageRoute(server, { sendJson, catalog, resolver, now });
  imageFileRoute(server, {
    catalog,
    resolver,
    blobs,
    downloads,
    keeper,
    log,
    monotonicNow,
    get clientStallTimeoutMs() {
      return options.listen.clientStallTimeout;
    },
    isOffline,
  });
  imageIconRoute(server, { catalog, resolver, icons, isOffline });
  const access = createAdminAccess(
    { monotonicNow },
    {
      secret: rooms.deps.adminSecret,
      token: rooms.deps.adminToken,
      get publicUrl() {
        return options.listen.publicUrl;
      },
    },
  );
  apiRoutes(server, { operations: rooms.operations, access, sendJson, log, stopping: rooms.stopping });
  const page = createPage(
    { operations: rooms.operations, version: PRODUCT.version, now },
    { hasToken: rooms.deps.adminToken !== undefined, hasMetrics: options.isMetricsServed },
  );
  pageRoute(server, { page, compressor, stopping: rooms.stopping });
  eventsRoute(server, { operations: rooms.operations, stopping: rooms.stopping, log, monotonicNow });
  readyRoute(server, { sendJson, readiness: rooms.readiness });
  healthRoute(server, { sendJson, version: PRODUCT.version });
  setupScriptRoute(server, { product, publicUrl: options.listen.publicUrl, isSecure: secure !== undefined });
  if (options.isMetricsServed) {
    const { registry } = metrics;
    const text = async (): Promise<string> => {
      await rooms.updateGauges();
      return registry.metrics();
    };
    metricsRoute(server, { metrics: { contentType: registry.contentType, text } });
  }
  return { server, gate, silent: trackSilentConnections(server.server) };
}

function logRequest(log: Log, request: FinishedRequest): void {
  const { requestId: reqId, seconds, isAborted, isBroken, isMeant: _, ...rest } = request;
  const end = { ...(isAborted ? { aborted: true } : {}), ...(isBroken ? { broken: true } : {}) };
  const line = { reqId, ...rest, durationMs: Math.round(seconds * 1000), ...end };
  log.info(line, isAborted ? 'response aborted' : 'response finished');
}
