/** One HTTP request without any client's good manners: nothing added, nothing followed, nothing retried. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { Agent, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RawRequestOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default GET. */
  readonly method?: string;
  /** The request target exactly as it goes out; absolute form works. */
  readonly path: string;
  /** Sent exactly so, in this order; names and values in turn, or an object. `Host` is put in front if absent. */
  readonly headers?: readonly string[] | Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  readonly signal?: AbortSignal;
  /** Default: one connection for this request alone. */
  readonly agent?: Agent;
  /** PEM of the certificate to trust: speaks https. */
  readonly ca?: string;
  /** False: the body is counted and hashed, not kept. `errors`: kept from status 300 up. Default true. */
  readonly keepBody?: boolean | 'errors';
  /** True: sha1 and md5 of the body are computed. Default false. */
  readonly hash?: boolean;
  /** Reads the body no faster; the socket is left unread meanwhile. */
  readonly rateBytesPerSecond?: number;
  /** Destroys the connection once so many body bytes were read. */
  readonly abortAfterBytes?: number;
  /** Told after each piece how many body bytes have come so far. */
  readonly onProgress?: (bytes: number) => void;
  /** Destroys the request past this. Default 30,000. */
  readonly deadlineMs?: number;
}

export interface RawResponse {
  readonly status: number;
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as sent. */
  readonly rawHeaders: readonly string[];
  /** Empty where it was not kept. */
  readonly body: Buffer;
  /** Body bytes read. */
  readonly bytes: number;
  /** True if the body ended as HTTP says it ends: Content-Length reached, or the last chunk seen. */
  readonly endedCleanly: boolean;
  /** Why it did not; undefined if it did. */
  readonly brokenBy: 'server' | 'signal' | 'abort-after' | 'deadline' | undefined;
  /** With `hash`: lower-case hex. */
  readonly sha1: string | undefined;
  /** With `hash`: base64. */
  readonly md5: string | undefined;
  /** Milliseconds from the call to the headers, the first body byte (undefined without one) and the end. */
  readonly headersAtMs: number;
  readonly firstByteAtMs: number | undefined;
  readonly endedAtMs: number;
}

/**
 * Sends one request and reads its answer to the end, clean or broken. Rejects only if there is no answer: connection refused or reset
 * before the headers, the signal or the deadline fired before them.
 */
export async function rawRequest(options: RawRequestOptions): Promise<RawResponse> {
  const startedAtMs = performance.now();
  const deadline = AbortSignal.timeout(options.deadlineMs ?? 30_000);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([deadline, options.signal]);
  const response = await sendRequest(options, signal);
  const headersAtMs = performance.now() - startedAtMs;

  const { keepBody = true } = options;
  const isKept = keepBody === 'errors' ? (response.statusCode ?? 0) >= 300 : keepBody;
  const chunks: Buffer[] = [];
  const hashes = options.hash === true ? { sha1: createHash('sha1'), md5: createHash('md5') } : undefined;
  let bytes = 0;
  let firstByteAtMs: number | undefined;
  let isEnough = false;
  // An aborted body raises an error here; `complete` below is the judge.
  response.on('error', () => {});
  response.on('data', (chunk: Buffer) => {
    firstByteAtMs ??= performance.now() - startedAtMs;
    bytes += chunk.length;
    if (isKept) chunks.push(chunk);
    hashes?.sha1.update(chunk);
    hashes?.md5.update(chunk);
    options.onProgress?.(bytes);
    if (bytes >= (options.abortAfterBytes ?? Infinity)) {
      isEnough = true;
      response.destroy();
    } else if (options.rateBytesPerSecond !== undefined) {
      void pauseFor(response, (chunk.length / options.rateBytesPerSecond) * 1000, signal);
    }
  });
  if (!response.closed) await once(response, 'close').catch(() => {});

  const endedCleanly = response.complete && !isEnough && !signal.aborted;
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body: Buffer.concat(chunks),
    bytes,
    endedCleanly,
    brokenBy: endedCleanly ? undefined : culprit(isEnough, options.signal, deadline),
    sha1: hashes?.sha1.digest('hex'),
    md5: hashes?.md5.digest('base64'),
    headersAtMs,
    firstByteAtMs,
    endedAtMs: performance.now() - startedAtMs,
  };
}

/** The value of the first header of this exact spelling: for asserts on casing. */
export function rawHeader(response: Pick<RawResponse, 'rawHeaders'>, name: string): string | undefined {
  const index = response.rawHeaders.findIndex((text, position) => position % 2 === 0 && text === name);
  return index === -1 ? undefined : response.rawHeaders[index + 1];
}

async function sendRequest(options: RawRequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
  const { host = '127.0.0.1', port, path, method = 'GET', body, ca } = options;
  const headers = headerList(options, `${host}:${port}`);
  const send = ca === undefined ? httpRequest : httpsRequest;
  const request = send({
    host,
    port,
    path,
    method,
    headers,
    signal,
    agent: options.agent ?? false,
    ...(ca === undefined ? {} : { ca }),
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    // Stays attached: errors after the answer (a destroyed socket) come here too, and `complete` has told them.
    request.on('error', reject);
  });
  request.end(body);
  return await answered;
}

/** As pairs in one list, which is what makes node send them untouched. */
function headerList(options: RawRequestOptions, host: string): string[] {
  const { headers = [], body } = options;
  const list = Array.isArray(headers) ? [...headers] : Object.entries(headers).flat();
  const names = new Set(list.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
  if (!names.has('host')) list.unshift('Host', host);
  if (body !== undefined && !names.has('content-length') && !names.has('transfer-encoding')) {
    list.push('Content-Length', String(Buffer.byteLength(body)));
  }
  return list;
}

async function pauseFor(response: IncomingMessage, pauseMs: number, signal: AbortSignal): Promise<void> {
  response.pause();
  try {
    await sleep(pauseMs, undefined, { signal });
  } catch {
    // The signal destroys the response itself; there is nothing to resume.
    return;
  }
  response.resume();
}

function culprit(isEnough: boolean, signal: AbortSignal | undefined, deadline: AbortSignal): RawResponse['brokenBy'] {
  if (isEnough) return 'abort-after';
  if (signal?.aborted === true) return 'signal';
  return deadline.aborted ? 'deadline' : 'server';
}
