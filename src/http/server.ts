/**
 * The HTTP server: what is true of every request. Routes are registered one by one below; it is built here and listens
 * where its caller says.
 */
import type { ServerOptions as HttpServerOptions } from 'node:http';
import type { Socket } from 'node:net';
import { finished } from 'node:stream';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type FastifyServerFactory,
} from 'fastify';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { loopDetected, unsupportedVersion } from '../imgapi/answers.ts';
import { freshImageUuid } from '../imgapi/ids.ts';
import { negotiateVersion, type ApiVersion } from '../imgapi/versions.ts';
import { isLoopback } from './allow.ts';
import { answerClientError } from './client-error.ts';
import type { ClientGate } from './client-gate.ts';
import { jsonBody } from './json-reply.ts';
import { refusalFor } from './refusals.ts';
import { requestIdOf, type RequestContext } from './request-context.ts';
import { targetPath } from './request-target.ts';
import type { SecureServers } from './tls.ts';

/** Everything worth knowing of a request that is over, for the log and the metrics. */
export interface FinishedRequest {
  readonly requestId: string;
  readonly method: string;
  readonly url: string;
  /** The route's name, such as `file`; `none` if no route took it. */
  readonly route: string;
  /** The status sent; 0 if the client left before one was. */
  readonly status: number;
  readonly cache: RequestContext['cache'];
  /** True for a 5xx that is no sign of trouble of the mirror's. */
  readonly isMeant: boolean;
  readonly bodyBytes: number;
  readonly seconds: number;
  /** From the request to the first byte of the body, s; undefined if there was none or it was not measured. */
  readonly firstByteSeconds: number | undefined;
  /** True if the response did not reach its end: the client left, or we broke it off. */
  readonly isAborted: boolean;
  /** True if it was we, for what went wrong here or upstream: not for a client that took no byte, nor for a stop. */
  readonly isBroken: boolean;
  readonly client: string;
  readonly userAgent: string | undefined;
}

export interface ServerDeps {
  readonly log: Log;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** `context`: the same object as `request.mirror` was. */
  readonly onFinished: (request: FinishedRequest, context: RequestContext) => void;
  /** Told of body bytes as they are handed to the socket: a file may take hours. Default: nobody is. */
  readonly onSent?: (answer: Pick<FinishedRequest, 'route' | 'cache'>, bytes: number) => void;
  readonly gate: ClientGate;
  /** The upstream through which a request with this `Via` came back to us; undefined if it is not ours. Default: none is. */
  readonly loopThrough?: (via: string | undefined) => string | undefined;
  /** The `Via` of the answer to a request with this `Via`; undefined: it needs none. Default: none does. */
  readonly answerVia?: (via: string | undefined, isPing: boolean) => string | undefined;
  /** Serves HTTPS in place of HTTP. */
  readonly secure?: SecureServers | undefined;
}

export interface ServerOptions {
  /** `imgapi-mirror/x.y.z` */
  readonly product: string;
  readonly hostname: string;
  /** A client that takes no byte of an answer for this long is dropped, ms. Read for every answer. */
  readonly clientStallTimeoutMs: number;
  /** To receive a request's head and body, ms. Default 60,000. */
  readonly receiveTimeoutMs?: number;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route's name in logs and metrics. */
    name?: string;
    /** True for IMGAPI's own paths: they have API versions. */
    isImgapi?: boolean;
    /** True where a body is read; of all other requests it is not. */
    readsBody?: boolean;
  }
}

/**
 * imgadm's next request fails if it meets an idle connection just being closed, and it does not retry: idle connections
 * are kept for longer than its commands pause.
 */
const KEEP_ALIVE_MS = 125_000;
/** To receive a request's head and body, not to answer it: a file may take hours. */
const RECEIVE_MS = 60_000;
/** Node looks for requests that are late only now and then; by default every 30 s. */
const LATE_EVERY_MS = 5_000;
const MAX_BODY_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;

export function createServer(deps: ServerDeps, options: ServerOptions): FastifyInstance {
  const { secure } = deps;
  const receiveMs = options.receiveTimeoutMs ?? RECEIVE_MS;
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: receiveMs,
    headersTimeout: receiveMs,
    connectionsCheckingInterval: Math.min(LATE_EVERY_MS, receiveMs),
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  /** How many responses run on a connection. */
  const answering = new WeakMap<Socket, number>();
  const app = fastify({
    logger: false,
    rewriteUrl: (request) => targetPath(request.url ?? '/'),
    exposeHeadRoutes: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    requestTimeout: receiveMs,
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    http: limits,
    ...(secure === undefined ? {} : { serverFactory: secureFactory(secure, limits) }),
    // No route has a schema: without these the compilers are loaded all the same, for a tenth of the time to start.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, maxParamLength: 256 },
    clientErrorHandler: (error, socket) => {
      // Whatever is written now would end up amid the bytes of a file, and its client would take it for them.
      if (answering.has(socket)) socket.destroy();
      else answerClientError(error, socket);
    },
    frameworkErrors: (_error, request, reply) => {
      // Raised before any hook has run: an URL that cannot be decoded, or is absurdly long.
      begin(request, reply);
      try {
        enter(request, reply);
        answerError(refusalFor(request.method, request.url), reply);
      } catch (refusal) {
        answerError(refusal, reply);
      }
    },
  });
  app.decorateRequest('mirror');

  function begin(request: FastifyRequest, reply: FastifyReply): void {
    // Read now: a socket that has been destroyed has no address any more.
    const client = request.ip;
    let bodyBytes = 0;
    const context: RequestContext = {
      requestId: requestIdOf(request.headers, freshImageUuid),
      startedAtMs: deps.monotonicNow(),
      get traceparent() {
        return request.headers.traceparent;
      },
      cache: undefined,
      isMeant: false,
      isBroken: false,
      get bodyBytes() {
        return bodyBytes;
      },
      sent(bytes) {
        bodyBytes += bytes;
        deps.onSent?.({ route: routeOf(request), cache: context.cache }, bytes);
      },
      firstByteAtMs: undefined,
    };
    request.mirror = context;
    // On the raw response, so that hijacked file responses carry them too.
    reply.raw.setHeader('Server', options.product);
    reply.raw.setHeader('x-request-id', context.requestId);
    reply.raw.setHeader('x-server-name', options.hostname);
    const { socket } = request.raw;
    answering.set(socket, (answering.get(socket) ?? 0) + 1);
    finished(reply.raw, () => {
      const left = (answering.get(socket) ?? 1) - 1;
      if (left === 0) answering.delete(socket);
      else answering.set(socket, left);
      deps.onFinished(describe(request, reply, context, client), context);
    });
  }

  /** Lets a client in, or throws the refusal. */
  function enter(request: FastifyRequest, reply: FastifyReply): void {
    const { ip: address } = request;
    // A connection to an address of one's own comes from that address.
    const isOwn = isLoopback(address) || address === request.raw.socket.localAddress;
    const { name = '' } = request.routeOptions.config ?? {};
    const isOwnHealthCheck = isOwn && (name === 'health' || name === 'ready');
    try {
      reply.raw.once('close', deps.gate.enter({ address, isOwnHealthCheck }));
    } catch (error) {
      if (error instanceof MirrorError && error.code === 'ForbiddenError') reply.header('connection', 'close');
      throw error;
    }
  }

  function describe(
    request: FastifyRequest,
    reply: FastifyReply,
    context: RequestContext,
    client: string,
  ): FinishedRequest {
    const { raw } = reply;
    const now = deps.monotonicNow();
    const isAborted = !raw.writableFinished;
    const isStreamed = context.firstByteAtMs !== undefined || context.bodyBytes > 0;
    // What is not counted as it goes out goes out whole.
    if (!isStreamed && !isAborted && request.method !== 'HEAD')
      context.sent(Number(raw.getHeader('content-length') ?? 0));
    return {
      requestId: context.requestId,
      method: request.method,
      url: request.url,
      route: routeOf(request),
      status: raw.headersSent ? raw.statusCode : 0,
      cache: context.cache,
      isMeant: context.isMeant,
      bodyBytes: context.bodyBytes,
      seconds: (now - context.startedAtMs) / 1000,
      firstByteSeconds:
        context.firstByteAtMs === undefined ? undefined : (context.firstByteAtMs - context.startedAtMs) / 1000,
      isAborted,
      isBroken: context.isBroken,
      client,
      userAgent: request.headers['user-agent'],
    };
  }

  function answerError(error: unknown, reply: FastifyReply): void {
    const failure = toMirrorError(error, deps.log, reply.request);
    reply.request.mirror.isMeant = failure.isMeant;
    // Nothing came out of the cache, whatever was begun before it failed.
    reply.request.mirror.cache = undefined;
    // Also where no hook has run.
    reply.header('x-response-time', responseTime(reply.request, deps.monotonicNow()));
    if (failure.code === 'MethodNotAllowedError') reply.header('allow', allowOf(failure));
    const { retryAfterSeconds } = failure.details;
    if (typeof retryAfterSeconds === 'number') reply.header('retry-after', retryAfterSeconds);
    if (failure.code === 'UnauthorizedError' && reply.request.url.startsWith('/_mirror/'))
      reply.header('www-authenticate', 'Bearer');
    reply.code(failure.statusCode).header('content-type', 'application/json').send(jsonBody(failure.toBody()));
  }

  app.addHook('onRequest', async (request, reply) => {
    begin(request, reply);
    const hasBody =
      request.headers['content-length'] !== undefined || request.headers['transfer-encoding'] !== undefined;
    // Nobody reads it, so the connection cannot be used again.
    if (hasBody && request.routeOptions.config.readsBody !== true) reply.header('connection', 'close');
    const via = deps.answerVia?.(request.headers.via, request.routeOptions.config?.name === 'ping');
    if (via !== undefined) reply.raw.setHeader('Via', via);
    const upstream = deps.loopThrough?.(request.headers.via);
    if (upstream !== undefined) throw loopDetected(upstream);
    enter(request, reply);
    if (request.is404) throw refusalFor(request.method, request.url);
    if (request.routeOptions.config.isImgapi === true) apiVersionOf(request);
  });
  app.addHook('onSend', async (request, reply) => {
    // Files have a watch of their own, which does not count the wait for an upstream.
    reply.raw.setTimeout(options.clientStallTimeoutMs, () => request.raw.socket.destroy());
    reply.header('x-response-time', responseTime(request, deps.monotonicNow()));
  });
  app.setErrorHandler((error, _request, reply) => {
    answerError(error, reply);
  });
  app.setNotFoundHandler((request) => {
    throw refusalFor(request.method, request.url);
  });
  return app;
}

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.config?.name ?? 'none';
}

function noCompiler(): never {
  throw new Error('no route has a schema');
}

function secureFactory(secure: SecureServers, limits: HttpServerOptions): FastifyServerFactory {
  return (handler) => secure.create(handler, limits);
}

/** Whole milliseconds so far, for `x-response-time`. */
export function responseTime(request: FastifyRequest, now: number): string {
  return String(Math.round(now - request.mirror.startedAtMs));
}

/** The API version a request asks for. Throws `InvalidVersion`. */
export function apiVersionOf(request: FastifyRequest): ApiVersion {
  const header = request.headers['accept-version'];
  const text = Array.isArray(header) ? header.join(', ') : header;
  const version = negotiateVersion(text);
  if (version === undefined) {
    throw unsupportedVersion(text ?? '', request.method, request.url.replace(/\?.*$/s, ''));
  }
  return version;
}

function toMirrorError(error: unknown, log: Log, request: FastifyRequest): MirrorError {
  if (error instanceof MirrorError) {
    if (error.statusCode >= 500) {
      // Said without a stack: these are the answers of a mirror whose upstreams or disk have trouble, not its own faults.
      const { code, message: problem, details } = error;
      log.warn({ code, problem, details, reqId: request.mirror.requestId }, 'request failed');
    }
    return error;
  }
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  if (typeof status === 'number' && status < 500 && error instanceof Error) {
    return new MirrorError(status === 413 ? 'RequestEntityTooLarge' : 'BadRequestError', error.message, {
      cause: error,
    });
  }
  log.error({ err: error, reqId: request.mirror.requestId }, 'request failed unexpectedly');
  return new MirrorError('InternalError', 'internal error', { cause: error });
}

/** The methods that a path has, for a request with another one. */
function allowOf({ details: { allow } }: MirrorError): string {
  return typeof allow === 'string' ? allow : 'GET, HEAD';
}
