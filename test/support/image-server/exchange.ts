/** One request and its answer, as the steps and routes of the fake server hand it on. */
import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { ServerResponse } from 'node:http';
import type { TestImage } from '../images.ts';
import type { Behaviour, ImageServerRequest } from './behaviour.ts';
import type { Throttle } from './throttle.ts';

/** A channel as `GET /channels` lists it. */
export interface TestChannel {
  readonly name: string;
  readonly description?: string;
  readonly default?: boolean;
}

/** What all exchanges of one server share. */
export interface ServerState {
  readonly images: ReadonlyMap<string, TestImage>;
  readonly channels: readonly TestChannel[] | undefined;
  readonly sharedThrottle: Throttle;
  /** Body bytes of files handed to sockets. */
  bytesSent: number;
}

export interface Exchange {
  readonly request: ImageServerRequest;
  readonly response: ServerResponse;
  /** The behaviour in force now: it may be turned while the answer runs. */
  readonly behaviour: () => Behaviour;
  readonly state: ServerState;
  /** Fires when the client is gone or the server closes; every wait of an answer ends then. */
  readonly signal: AbortSignal;
}

/** Writes status and headers: the given ones and those every routed answer has, with `behaviour.headers` laid over. */
export function writeHead(
  { request, response, behaviour }: Exchange,
  statusCode: number,
  headers: Readonly<Record<string, string | number | undefined>>,
): void {
  const sentId = request.headers['request-id'] ?? request.headers['x-request-id'];
  const all = {
    Server: 'imgapi/4.13.1',
    'x-request-id': typeof sentId === 'string' ? sentId : randomUUID(),
    'x-response-time': Math.round(performance.now() - request.at),
    'x-server-name': 'fake-image-server',
    ...headers,
    ...behaviour().headers,
  };
  response.statusCode = statusCode;
  for (const [name, value] of Object.entries(all)) {
    if (value !== undefined) response.setHeader(name, value);
  }
  response.flushHeaders();
}

/** JSON as the real server writes it: indented by 2, gzipped for those who ask, with a length otherwise. */
export function sendJson(exchange: Exchange, statusCode: number, value: unknown, headers: Record<string, string> = {}) {
  sendText(exchange, statusCode, jsonText(value), headers);
}

export function sendText(exchange: Exchange, statusCode: number, text: string, headers: Record<string, string> = {}) {
  const isGzipped = /\bgzip\b/.test(String(exchange.request.headers['accept-encoding'] ?? ''));
  const body = isGzipped ? gzipSync(text, { level: 1 }) : Buffer.from(text);
  writeHead(exchange, statusCode, {
    'Content-Type': 'application/json',
    ...(isGzipped ? { 'Content-Encoding': 'gzip' } : { 'Content-Length': body.length }),
    ...headers,
  });
  exchange.response.end(body);
}

export function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2);
}

/** An IMGAPI error body. */
export function sendError(
  exchange: Exchange,
  statusCode: number,
  code: string,
  message: string,
  errors?: object[],
): void {
  sendJson(exchange, statusCode, errors === undefined ? { code, message } : { code, message, errors });
}

export function sha1Hex(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}

/** True if If-None-Match names this tag, quoted or bare: the real server's tags are bare. */
export function isTagListed(header: unknown, tag: string): boolean {
  if (typeof header !== 'string') return false;
  return header.split(',').some((entry) => entry.trim().replaceAll(/^(W\/)?"|"$/g, '') === tag);
}
