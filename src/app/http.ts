/** The server with all its routes. */
import type { FastifyInstance } from 'fastify';
import type { BlobStore } from '../blobs/store.ts';
import type { Catalog } from '../catalog/catalog.ts';
import type { Resolver } from '../catalog/resolve.ts';
import type { Log } from '../config/log.ts';
import { PRODUCT } from '../config/product.ts';
import type { Config } from '../config/schema.ts';
import type { Icons } from '../downloads/icons.ts';
import type { Downloads } from '../downloads/registry.ts';
import { createClientGate, type ClientGate } from '../http/client-gate.ts';
import { createCompressor } from '../http/compress.ts';
import { createJsonSender } from '../http/json-reply.ts';
import { channelsRoute } from '../http/routes/channels.ts';
import { healthRoute } from '../http/routes/health.ts';
import { imageFileRoute } from '../http/routes/image-file.ts';
import { imageIconRoute } from '../http/routes/image-icon.ts';
import { imageRoute } from '../http/routes/image.ts';
import { imagesRoute } from '../http/routes/images.ts';
import { metricsRoute } from '../http/routes/metrics.ts';
import { pingRoute } from '../http/routes/ping.ts';
import { createServer, type FinishedRequest } from '../http/server.ts';
import { trackSilentConnections, type SilentConnections } from '../http/silent-connections.ts';
import type { SecureServers } from '../http/tls.ts';
import { countRequest } from '../metrics/meters.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Keeper } from '../records/keeper.ts';
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
  readonly icons: Icons;
  readonly via: Via;
  readonly secure: SecureServers | undefined;
  /** Brings the gauges up to date before a scrape. */
  readonly updateGauges: () => Promise<void>;
}

export interface HttpOptions {
  /** Read for every request. */
  readonly listen: Config['listen'];
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
  const onFinished = (request: FinishedRequest): void => {
    countRequest(metrics, request);
    logRequest(log, request);
  };
  const gate = createClientGate({ onRefused: (reason) => metrics.refused.inc({ reason }) }, options.listen);
  const server = createServer(
    { log, monotonicNow, onFinished, gate, secure, loopThrough: (header) => via.upstreamIn(header) },
    {
      product,
      hostname,
      get clientStallTimeoutMs() {
        return options.listen.clientStallTimeout;
      },
    },
  );
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
    get clientStallTimeoutMs() {
      return options.listen.clientStallTimeout;
    },
  });
  imageIconRoute(server, { catalog, resolver, icons });
  healthRoute(server, { sendJson, version: PRODUCT.version });
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
  const { requestId: reqId, seconds, isAborted, ...rest } = request;
  const line = { reqId, ...rest, durationMs: Math.round(seconds * 1000), ...(isAborted ? { aborted: true } : {}) };
  log.info(line, isAborted ? 'response aborted' : 'response finished');
}
