/**
 * The one HTTP client of an upstream: its connections, its deadlines, its own headers.
 * Nothing of a mirror's client gets in here but what the caller has validated.
 */
import { Agent, EnvHttpProxyAgent, errors, Pool, ProxyAgent, type Dispatcher } from 'undici';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { MirrorError } from '../imgapi/errors.ts';
import { createRedirectRule } from './redirect-rule.ts';
import { createSafeLookup, refusedUnresolved, type SafeLookupOptions } from './safe-lookup.ts';
import { unavailable, wrapTransportError } from './unavailable.ts';
import type { Urgency } from './urgency.ts';

export interface HttpClientOptions {
  /** The upstream's name, for errors. */
  readonly name: string;
  /** Its base URL; a path in it is kept. */
  readonly url: string;
  readonly userAgent: string;
  /** Sent with every request, to this origin alone. */
  readonly headers: Readonly<Record<string, string>>;
  /** PEM text of the authorities to trust instead of the built-in ones. */
  readonly ca: string | undefined;
  /** True: certificates are not checked. */
  readonly insecure: boolean;
  readonly connectTimeoutMs: number;
  /** No header and no byte for this long fails the request. */
  readonly stallTimeoutMs: number;
  /** `env`, `none`, or a proxy's URL. */
  readonly proxy: string;
  /** CIDRs among loopback, link-local and metadata addresses that names may resolve to. */
  readonly allowAddresses: readonly string[];
  /** Other origins a redirect may lead to. */
  readonly allowRedirectsTo: readonly string[];
  /** Our mark in the `Via` of every request: see `via.ts`. */
  readonly via: string;
}

/** What is asked for: a label for metrics. */
export type RequestKind = 'ping' | 'channels' | 'list' | 'manifest' | 'icon' | 'file';

/** Every kind, for priming metrics. */
export const REQUEST_KINDS: readonly RequestKind[] = ['ping', 'channels', 'list', 'manifest', 'icon', 'file'];

export interface HttpRequest {
  readonly kind: RequestKind;
  /** Path and query below the base URL, beginning with `/`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Of a manifest, an icon or a file: what it is for, and the byte it was asked from. */
  readonly transfer?: { readonly urgency: Urgency; readonly offset: number };
}

export interface HttpResponse {
  readonly status: number;
  /** A header's value; of a repeated one the first. */
  header(name: string): string | undefined;
  /** As it came, not inflated. Iterate it once, or discard. Leaving the loop early closes the connection. */
  readonly body: AsyncIterable<Buffer>;
  /** Lets go of an answer nobody reads: drains a little, closes the connection if there is more. */
  discard(): Promise<void>;
}

export interface HttpClient {
  get(request: HttpRequest): Promise<HttpResponse>;
  close(): Promise<void>;
}

/** The answers that say where else to ask. 304 is none of them. */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What is drained of an unwanted body, in bytes and for how long, before its connection is closed instead. */
const DISCARD_BYTES = 64 * 1024;
const DISCARD_MS = 1_000;

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const base = new URL(options.url);
  const basePath = base.pathname.replace(/\/+$/, '');
  const trust: SafeLookupOptions = {
    allowAddresses: options.allowAddresses,
    // A name that says it is this machine is meant so where the operator wrote it.
    trustedNames: base.hostname === 'localhost' ? ['localhost'] : [],
  };
  const dispatcher = createDispatcher(options, trust);
  const redirects = createRedirectRule(options);
  const throughProxy = proxyLabel(options.proxy);

  function wrap(error: unknown, signal: AbortSignal): MirrorError {
    if (error instanceof errors.RequestAbortedError && !signal.aborted) {
      // A tunnel the proxy has refused is "aborted" for undici, though nobody has given up anything.
      return unavailable(options.name, 'connect', `${throughProxy}${error.message}`, { cause: error });
    }
    return wrapTransportError(options.name, error, throughProxy);
  }

  async function ask(url: URL, request: HttpRequest): Promise<Dispatcher.ResponseData> {
    // A proxy resolves names by itself. Addresses need no check: they were written by the operator, as redirects lead nowhere else.
    const refusal = refusedUnresolved(url.hostname, trust);
    if (refusal !== undefined) throw unavailable(options.name, 'connect', refusal);
    // What was configured for the upstream (credentials, mostly) is for its own origin alone.
    const own = url.origin === base.origin ? options.headers : {};
    return dispatcher.request({
      origin: url.origin,
      path: `${url.pathname}${url.search}`,
      method: 'GET',
      headers: { 'user-agent': options.userAgent, via: options.via, ...own, ...request.headers },
      signal: request.signal,
    });
  }

  return {
    async get(request: HttpRequest): Promise<HttpResponse> {
      try {
        let url = new URL(`${base.origin}${basePath}${request.path}`);
        let answer = await ask(url, request);
        for (let hops = 1; REDIRECTS.has(answer.statusCode); hops++) {
          await discard(answer);
          url = redirects(url, headerOf(answer, 'location'), hops);
          answer = await ask(url, request);
        }
        return responseOf(options.name, answer);
      } catch (error) {
        throw wrap(error, request.signal);
      }
    },

    async close(): Promise<void> {
      await dispatcher.destroy();
    },
  };
}

function responseOf(name: string, answer: Dispatcher.ResponseData): HttpResponse {
  return {
    status: answer.statusCode,
    header: (header) => headerOf(answer, header),
    body: readBody(name, answer.body),
    discard: async () => discard(answer),
  };
}

function headerOf(answer: Dispatcher.ResponseData, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

async function discard(answer: Dispatcher.ResponseData): Promise<void> {
  // Whatever goes wrong while throwing away is of no interest: the connection is closed then.
  const signal = AbortSignal.timeout(DISCARD_MS);
  await answer.body.dump({ limit: DISCARD_BYTES, signal }).catch(() => answer.body.destroy());
}

/**
 * Reads a whole answer, gunzipped if need be. More than `maxBytes`, before or after inflating, is an error, and so is
 * anything that is not what its headers say.
 */
export async function readAll(name: string, response: HttpResponse, maxBytes: number): Promise<Buffer> {
  const tooLarge = (): Error => unavailable(name, 'body', `its answer is larger than the allowed ${maxBytes} bytes`);
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks, bytes);
  if (response.header('content-encoding') !== 'gzip') return body;
  try {
    return await promisify(gunzip)(body, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw tooLarge();
    throw unavailable(name, 'body', 'its answer is no sound gzip', { cause: error });
  }
}

async function* readBody(name: string, body: Dispatcher.ResponseData['body']): AsyncGenerator<Buffer> {
  try {
    yield* body as AsyncIterable<Buffer>;
  } catch (error) {
    throw wrapTransportError(name, error);
  } finally {
    body.destroy();
  }
}

function createDispatcher(options: HttpClientOptions, trust: SafeLookupOptions): Dispatcher {
  const lookup = createSafeLookup(trust);
  const tls = { rejectUnauthorized: !options.insecure, ...(options.ca === undefined ? {} : { ca: options.ca }) };
  const limits = {
    // HTTP/2 gives a thirtieth of the throughput at 100 ms round trip: one flow-control window per connection.
    allowH2: false,
    headersTimeout: options.stallTimeoutMs,
    bodyTimeout: options.stallTimeoutMs,
    // Below the 5 s many servers close idle connections at, so that we are seldom the one who loses the race.
    keepAliveTimeout: 4_000,
  };
  const settings: Agent.Options = { ...limits, connect: { timeout: options.connectTimeoutMs, lookup, ...tls } };
  if (options.proxy === 'none') return new Agent(settings);
  // The proxy resolves the upstream's name, and its own may be this machine's: the operator wrote it.
  const throughProxy = {
    ...settings,
    connectTimeout: options.connectTimeoutMs,
    requestTls: { timeout: options.connectTimeoutMs, ...tls },
    // undici gives its limits neither to the connections plain requests take nor to those tunnels are asked for on.
    factory: (origin: string | URL, own: object) => new Pool(origin, { ...limits, ...own }),
    clientFactory: (origin: string | URL, own: object) => new Pool(origin, { ...limits, ...own }),
  };
  if (options.proxy === 'env') return new EnvHttpProxyAgent(throughProxy);
  return new ProxyAgent({ ...throughProxy, uri: options.proxy });
}

/** What errors say of a configured proxy: its origin, never its credentials. Of one of the environment nothing is known here. */
function proxyLabel(proxy: string): string {
  return proxy === 'env' || proxy === 'none' ? '' : `through the proxy ${new URL(proxy).origin}: `;
}
