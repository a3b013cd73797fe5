/**
 * A fake image server on 127.0.0.1 that answers like sdc-imgapi 4.13.1 in mode public, and misbehaves on demand.
 *
 *     await using server = await startImageServer({ images: [makeImage()] });   // or: t.after(() => server.close())
 *     server.behaviour = { rateBytesPerSecond: 50e6 };                          // from now on
 *     server.behave = (request) => (request.route === 'file' && request.attempt === 1 ? { cutAfterBytes: 1e5 } : undefined);
 */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { Behave, Behaviour, ImageServerRequest, Route } from './image-server/behaviour.ts';
import type { Exchange, ServerState, TestChannel } from './image-server/exchange.ts';
import { answer, routeOf } from './image-server/routes.ts';
import { DEFAULT_STEPS } from './image-server/steps.ts';
import type { Step } from './image-server/steps.ts';
import { createThrottle } from './image-server/throttle.ts';
import type { TestImage } from './images.ts';

export type { Behave, Behaviour, ImageServerRequest, ListMode, RangeLie, Route } from './image-server/behaviour.ts';
export type { Exchange, TestChannel } from './image-server/exchange.ts';
export type { Step } from './image-server/steps.ts';

export interface ImageServerOptions {
  readonly images?: Iterable<TestImage>;
  /** With channels: images are seen by their manifests' `channels`. Without: `?channel` is ignored, /channels is 404. */
  readonly channels?: readonly TestChannel[];
  readonly behaviour?: Behaviour;
  readonly behave?: Behave;
  /** Asked before the built-in steps. */
  readonly steps?: readonly Step[];
  /** `/foo`: everything is below it, and `url` ends with it. Default none. */
  readonly basePath?: string;
  /** PEM texts: speaks https. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Default 0: any free one. */
  readonly port?: number;
}

export interface ImageServer {
  /** `http://127.0.0.1:PORT` and the base path; no slash at the end. */
  readonly url: string;
  readonly port: number;
  readonly images: {
    /** Adds it, or takes the place of the one with its uuid. */
    add(image: TestImage): void;
    remove(uuid: string): void;
    get(uuid: string): TestImage | undefined;
    all(): TestImage[];
  };
  /** Every request since the start or `forget()`, in order of arrival. */
  readonly requests: readonly ImageServerRequest[];
  /** How many requests had this route, or a url (query included) that matches. */
  countOf(wanted: Route | RegExp): number;
  /** Body bytes of files handed to sockets, whoever read them. */
  readonly bytesSent: number;
  /** File answers: running now, the most that ran at once, begun in all. */
  readonly fileAnswers: { readonly running: number; readonly peak: number; readonly total: number };
  /** Forgets requests and counts; running answers go on. */
  forget(): void;
  /** Holds for every request; running answers look again at each piece. */
  behaviour: Behaviour;
  /** Laid over `behaviour` for the request it is asked about; undefined = nothing special. */
  behave: Behave | undefined;
  /** Down: the port refuses, all connections are destroyed. */
  stop(): Promise<void>;
  /** Up again, on the same port. */
  restart(): Promise<void>;
  /** Stops, and waits for the last answer to be over. Safe to call twice. Rejects if the server or `behave` threw. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts one. The caller closes it. */
export async function startImageServer(options: ImageServerOptions = {}): Promise<ImageServer> {
  const { basePath = '', channels, tls } = options;
  const steps: readonly Step[] = [...(options.steps ?? []), ...DEFAULT_STEPS, answerStep];
  const images = new Map([...(options.images ?? [])].map((image) => [image.uuid as string, image]));
  const state: ServerState = { images, channels, sharedThrottle: createThrottle(), bytesSent: 0 };
  const requests: ImageServerRequest[] = [];
  const attempts = new Map<string, number>();
  const fileAnswers = { running: 0, peak: 0, total: 0 };
  const runningAnswers = new Set<Promise<void>>();
  const faults: unknown[] = [];

  function see(message: IncomingMessage): ImageServerRequest {
    const { method = '', url = '', headers, rawHeaders } = message;
    const target = new URL(url, 'http://localhost');
    const path = target.pathname.startsWith(basePath) ? target.pathname.slice(basePath.length) : '';
    const attempt = (attempts.get(`${method} ${url}`) ?? 0) + 1;
    attempts.set(`${method} ${url}`, attempt);
    const at = performance.now();
    const remotePort = message.socket.remotePort ?? 0;
    const query = target.searchParams;
    const request = { method, url, path, query, headers, rawHeaders, ...routeOf(path), attempt, at, remotePort };
    requests.push(request);
    return request;
  }

  async function handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = see(message);
    message.resume();
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    // A client may go away at any moment; the close event says all there is to say about it.
    response.on('error', () => {});
    if (request.route === 'file') {
      fileAnswers.total += 1;
      fileAnswers.running += 1;
      fileAnswers.peak = Math.max(fileAnswers.peak, fileAnswers.running);
    }
    try {
      const special = server.behave?.(request);
      const behaviour = (): Behaviour => ({ ...server.behaviour, ...special });
      const exchange: Exchange = { request, response, behaviour, state, signal: gone.signal };
      for (const step of steps) {
        if (await step(exchange)) break;
      }
    } catch (error) {
      // Once the client has gone an AbortError is how the answer's waits end. Anything else is a bug in the server or in `behave`.
      if (!gone.signal.aborted) faults.push(error);
      response.destroy();
    } finally {
      if (request.route === 'file') fileAnswers.running -= 1;
    }
  }

  let port = options.port ?? 0;
  let listener: Server | undefined;

  function onRequest(message: IncomingMessage, response: ServerResponse): void {
    const running = handle(message, response).finally(() => runningAnswers.delete(running));
    runningAnswers.add(running);
  }

  async function listen(): Promise<void> {
    const next = tls === undefined ? createHttpServer(onRequest) : createHttpsServer(tls, onRequest);
    // Longer than any test: an idle close must not race with a client's next request.
    next.keepAliveTimeout = 120_000;
    next.listen(port, '127.0.0.1');
    await once(next, 'listening');
    const address = next.address();
    if (typeof address === 'object' && address !== null) port = address.port;
    listener = next;
  }

  async function stop(): Promise<void> {
    const stopping = listener;
    listener = undefined;
    if (stopping === undefined) return;
    stopping.close();
    stopping.closeAllConnections();
    await once(stopping, 'close');
    await Promise.all(runningAnswers);
  }

  async function close(): Promise<void> {
    await stop();
    if (faults.length > 0) throw new AggregateError(faults.splice(0), 'the fake image server, or its `behave`, threw');
  }

  await listen();
  const server: ImageServer = {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}${basePath}`,
    port,
    images: {
      add: (image) => void images.set(image.uuid, image),
      remove: (uuid) => void images.delete(uuid),
      get: (uuid) => images.get(uuid),
      all: () => [...images.values()],
    },
    requests,
    countOf: (wanted) =>
      requests.filter(({ route, url }) => (typeof wanted === 'string' ? route === wanted : wanted.test(url))).length,
    get bytesSent() {
      return state.bytesSent;
    },
    fileAnswers,
    forget() {
      requests.length = 0;
      attempts.clear();
      state.bytesSent = 0;
      fileAnswers.total = 0;
      fileAnswers.peak = fileAnswers.running;
    },
    behaviour: options.behaviour ?? {},
    behave: options.behave,
    stop,
    async restart() {
      await stop();
      await listen();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  return server;
}

async function answerStep(exchange: Exchange): Promise<boolean> {
  await answer(exchange);
  return true;
}
