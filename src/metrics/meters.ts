/** What app.ts puts around the rooms so that they are measured without knowing it. */
import type { TransferEvents } from '../downloads/transfer-events.ts';
import type { FinishedRequest } from '../http/server.ts';
import type { HttpClient, HttpRequest } from '../upstream/http-client.ts';
import { reasonOf } from '../upstream/unavailable.ts';
import { causesOf } from './causes.ts';
import { FILE_RESULTS, METHODS, ROUTES, type Metrics } from './metrics.ts';

/** An HTTP client whose every request and byte is counted. */
export function meterHttpClient(
  http: HttpClient,
  upstream: string,
  metrics: Metrics,
  monotonicNow: () => number,
): HttpClient {
  async function get(request: HttpRequest): ReturnType<HttpClient['get']> {
    const { kind } = request;
    const startedAt = monotonicNow();
    try {
      const response = await http.get(request);
      metrics.upstreamSeconds.observe({ upstream, kind }, (monotonicNow() - startedAt) / 1000);
      metrics.upstreamRequests.inc({ upstream, kind, result: statusClass(response.status) });
      const split = causesOf(request, response.status);
      return {
        ...response,
        body: counted(response.body, (bytes) => {
          metrics.upstreamBytes.inc({ upstream, kind }, bytes);
          for (const part of split(bytes)) metrics.causeBytes.inc({ upstream, cause: part.cause }, part.bytes);
        }),
      };
    } catch (error) {
      const reason = reasonOf(error);
      metrics.upstreamRequests.inc({ upstream, kind, result: reason === 'status' ? 'body' : reason });
      throw error;
    }
  }
  return { get, close: async () => http.close() };
}

async function* counted(body: AsyncIterable<Buffer>, onBytes: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    onBytes(chunk.length);
    yield chunk;
  }
}

/** Counts body bytes that are on their way to a client. */
export function countSent(metrics: Metrics, answer: Pick<FinishedRequest, 'route' | 'cache'>, bytes: number): void {
  const route = knownRoute(answer.route);
  metrics.responseBytes.inc({ route }, bytes);
  const result = fileResultOf(answer);
  if (result !== undefined) metrics.fileBytes.inc({ result }, bytes);
}

/** Counts a request that is over; its bytes have been counted. */
export function countRequest(metrics: Metrics, request: FinishedRequest): void {
  const route = knownRoute(request.route);
  const method = METHODS.find((known) => known === request.method) ?? 'other';
  metrics.requests.inc({ route, method, code: codeOf(request) });
  metrics.requestSeconds.observe({ route }, request.seconds);
  if (request.isAborted) metrics.aborted.inc({ route });
  if (request.cache === undefined) return;
  const result = request.cache.toLowerCase();
  const kind = CACHE_KIND_OF[route];
  if (kind !== undefined && isServed(request)) metrics.cacheResults.inc({ kind, result });
  if (request.firstByteSeconds !== undefined) metrics.firstByteSeconds.observe({ result }, request.firstByteSeconds);
  const ofFile = request.isBroken ? fileResultOf(request) : undefined;
  if (ofFile !== undefined) metrics.brokenBytes.inc({ result: ofFile }, request.bodyBytes);
}

/** Whether a client got something out of the cache, or was bringing it in. With a HEAD it does neither. */
function isServed({ method, status, isBroken }: FinishedRequest): boolean {
  return method !== 'HEAD' && status > 0 && status < 400 && !isBroken;
}

/** The cache result of a file; undefined for anything else, and for an error in place of one. */
function fileResultOf({
  route,
  cache,
}: Pick<FinishedRequest, 'route' | 'cache'>): (typeof FILE_RESULTS)[number] | undefined {
  return route === 'file' ? FILE_RESULTS.find((known) => known === cache?.toLowerCase()) : undefined;
}

function knownRoute(name: string): (typeof ROUTES)[number] {
  return ROUTES.find((known) => known === name) ?? 'none';
}

const CACHE_KIND_OF: Readonly<Partial<Record<(typeof ROUTES)[number], string>>> = {
  images: 'list',
  image: 'manifest',
  file: 'file',
  icon: 'icon',
};

function codeOf({ status, isMeant, isBroken }: FinishedRequest): string {
  if (status === 0) return 'none';
  if (isBroken) return 'broken';
  return isMeant ? 'refused' : statusClass(status);
}

function statusClass(status: number): string {
  return `${Math.floor(status / 100)}xx`;
}

/** Counts what happens to transfers. */
export function countTransfers(metrics: Metrics): TransferEvents {
  return {
    onResume(mode, bytes) {
      metrics.resumes.inc({ mode });
      metrics.resumedBytes.inc({ mode }, bytes);
    },
    onFailover: (upstream) => metrics.failovers.inc({ upstream }),
    onStall: (upstream) => metrics.stalls.inc({ upstream }),
    onChecked: (result) => metrics.integrity.inc({ result }),
  };
}
