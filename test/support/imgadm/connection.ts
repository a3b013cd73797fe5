/** How imgadm 3.9.5 puts a request on the wire (protocol.md section 1), and what it makes of a JSON answer (section 2). */
import { createHash, randomUUID } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { rawRequest } from '../raw-request.ts';
import type { RawRequestOptions, RawResponse } from '../raw-request.ts';
import { ImgadmError } from './imgadm-error.ts';

/** imgadm's pool: "Connections: keep-alive, at most 5 sockets". */
const MAX_SOCKETS = 5;

export interface ImgadmClientOptions {
  /** As given to `imgadm sources -a`: base path and `?channel=` included. */
  readonly url: string;
  /** `import -C CHANNEL`; beats the one in the url. */
  readonly channel?: string;
  /** Sends `GET http://other.host/images HTTP/1.1`; a string is the authority to name. Default false. */
  readonly absoluteForm?: boolean | string;
  /** One per run of imgadm. Default: a new uuid per client. */
  readonly requestId?: string;
  /** PEM of the certificate to trust, for https. */
  readonly ca?: string;
  /** imgadm itself waits for ever; tests must not. Per request. Default 30,000. */
  readonly deadlineMs?: number;
  /** Reads files no faster than this, each. */
  readonly rateBytesPerSecond?: number;
  /** False: files are not hashed, which saves a bench the CPU; sizes are still checked. Default true. */
  readonly checksums?: boolean;
}

/** A JSON answer after the client library has looked at it. `json` is undefined where the text could not be parsed. */
export interface JsonAnswer {
  readonly response: RawResponse;
  readonly text: string;
  readonly json: unknown;
}

export interface ImgadmConnection {
  readonly requestId: string;
  /** The channel sent along, if any. */
  readonly channel: string | undefined;
  get(
    subpath: string,
    query: Readonly<Record<string, string>>,
    extra?: Partial<RawRequestOptions>,
  ): Promise<RawResponse>;
  getJson(subpath: string, query: Readonly<Record<string, string>>): Promise<JsonAnswer>;
  close(): void;
}

export function createImgadmConnection(options: ImgadmClientOptions): ImgadmConnection {
  const url = new URL(options.url);
  const basePath = url.pathname.replace(/\/$/, '');
  const isTls = url.protocol === 'https:';
  const port = Number(url.port || (isTls ? 443 : 80));
  const requestId = options.requestId ?? randomUUID();
  const pool = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const agent = isTls ? new HttpsAgent({ ...pool, ca: options.ca }) : new HttpAgent(pool);
  const authority = options.absoluteForm === true ? 'other.host' : options.absoluteForm;
  const target = typeof authority === 'string' ? `http://${authority}${basePath}` : basePath;

  const get: ImgadmConnection['get'] = async (subpath, query, extra = {}) => {
    const search = new URLSearchParams(query).toString();
    return await rawRequest({
      host: url.hostname,
      port,
      path: `${target}${subpath}${search === '' ? '' : `?${search}`}`,
      headers: imgadmHeaders(requestId, url.host),
      agent,
      ...(isTls ? { ca: options.ca ?? '' } : {}),
      ...(options.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
      ...extra,
    });
  };

  return {
    requestId,
    channel: options.channel ?? url.searchParams.get('channel') ?? undefined,
    get,
    async getJson(subpath, query) {
      const answer = jsonAnswerOf(await get(subpath, query));
      checkContentMd5(answer.response, answer.text);
      return answer;
    },
    close: () => agent.destroy(),
  };
}

/** The answer as JSON; imgadm understands gzip nobody asked for, on JSON. */
export function jsonAnswerOf(response: RawResponse): JsonAnswer {
  const isGzipped = response.headers['content-encoding'] === 'gzip' && response.endedCleanly;
  const text = (isGzipped ? gunzipSync(response.body) : response.body).toString('utf8');
  return { response, text, json: parsed(text) };
}

/** Every header imgadm sends, in its order and casing. */
function imgadmHeaders(requestId: string, host: string): string[] {
  const pairs = [
    ['x-request-id', requestId],
    ['accept', 'application/json'],
    ['user-agent', 'imgadm/3.9.5 (node/0.10.48; OpenSSL/1.0.1u)'],
    ['accept-version', '~2'],
    ['date', new Date().toUTCString()],
    ['Host', host],
    ['Connection', 'keep-alive'],
  ];
  return pairs.flat();
}

/** restify 2.8 hashes the decoded text as one byte per character, so even a right Content-MD5 fails beyond ASCII. */
function checkContentMd5(response: RawResponse, text: string): void {
  const sent = response.headers['content-md5'];
  if (sent === undefined) return;
  const hashed = createHash('md5').update(text, 'latin1').digest('base64');
  if (hashed !== sent)
    throw new ImgadmError('BadDigest', `Content-MD5 ${String(sent)}, but hashed ${hashed}`, response.status);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // What is no JSON is told by the undefined.
    return undefined;
  }
}
