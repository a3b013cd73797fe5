/** A server on 127.0.0.1 whose every answer is the test's, and an upstream or an HTTP client that asks it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { createHttpClient, type HttpClient, type HttpClientOptions } from '../../../src/upstream/http-client.ts';
import { createImgapiUpstream, type ImgapiUpstreamOptions } from '../../../src/upstream/imgapi-upstream.ts';
import type { Upstream } from '../../../src/upstream/upstream.ts';
import { isImageUuid, type ImageUuid } from '../../../src/imgapi/ids.ts';
import { uuidOf as uuidText } from '../../support/manifest-of.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface Loopback {
  readonly url: string;
  readonly requests: IncomingMessage[];
  answer: Answer;
}

export async function startLoopback(t: TestContext, answer: Answer): Promise<Loopback> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    loopback.answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const loopback: Loopback = { url: `http://127.0.0.1:${port}`, requests, answer };
  return loopback;
}

export function httpClientFor(t: TestContext, url: string, options: Partial<HttpClientOptions> = {}): HttpClient {
  const client = createHttpClient({
    name: 'up0',
    url,
    userAgent: 'imgapi-mirror/test',
    headers: {},
    ca: undefined,
    insecure: false,
    connectTimeoutMs: 5_000,
    stallTimeoutMs: 5_000,
    proxy: 'none',
    allowAddresses: [],
    allowRedirectsTo: [],
    via: '1.1 this-mirror',
    ...options,
  });
  t.after(async () => client.close());
  return client;
}

export function upstreamFor(
  t: TestContext,
  url: string,
  options: Partial<ImgapiUpstreamOptions & HttpClientOptions> = {},
): Upstream {
  const http = httpClientFor(t, url, options);
  return createImgapiUpstream(
    { http },
    {
      name: 'up0',
      url,
      channel: undefined,
      maxDownloads: 4,
      prefetchDownloads: 1,
      jsonTimeoutMs: 10_000,
      listMaxBytes: 1024 * 1024,
      ...options,
    },
  );
}

export const REQUEST_ID = '11111111-2222-4333-8444-555555555555';
export const request = { requestId: REQUEST_ID, signal: new AbortController().signal } as const;

export function uuidOf(n: number): ImageUuid {
  const uuid = uuidText(n);
  if (!isImageUuid(uuid)) throw new TypeError(uuid);
  return uuid;
}

/** 200 with this value as JSON. */
export function json(value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => void response.writeHead(code, headers).end('{}');
}

export async function bytesOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
