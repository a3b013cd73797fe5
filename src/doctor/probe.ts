/**
 * Asks a server as imgadm does, with the bounds imgadm lacks: every answer has a deadline, every body a size. Certificates are
 * not checked here: `tls-check.ts` judges them, and the rest is to be seen all the same.
 */
import { Agent, errors, request } from 'undici';

export interface ProbeRequest {
  readonly method?: 'GET' | 'HEAD';
  /** Below the base URL, beginning with `/`. */
  readonly path: string;
  /** From the request to the body's last byte, ms. */
  readonly deadlineMs: number;
  /** A larger body is an error; without it the body is not kept. */
  readonly maxBytes: number;
  /** Takes the body's pieces in place of keeping them. */
  readonly onBytes?: (bytes: Buffer) => void;
}

export interface ProbeAnswer {
  readonly status: number;
  /** A header's value; of one that is there several times, all of them. */
  header(name: string): string | undefined;
  /** Empty where `onBytes` took it. */
  readonly body: Buffer;
  readonly bodyBytes: number;
  /** From the request to the headers, ms. */
  readonly headersMs: number;
  /** Why the body did not come to its end; undefined if it did. */
  readonly broken: string | undefined;
}

export interface Probe {
  /** Without a slash at the end. */
  readonly url: string;
  /** @throws ProbeError where there was no answer at all. */
  ask(request: ProbeRequest): Promise<ProbeAnswer>;
  close(): Promise<void>;
}

/** Why there was no answer, in one line. */
export class ProbeError extends Error {
  /** `refused`: nothing listens. `name`: the name is not known. `timeout`: no answer in time. `other`: something else speaks there. */
  readonly kind: 'refused' | 'name' | 'timeout' | 'other';

  constructor(kind: ProbeError['kind'], message: string, cause: unknown) {
    super(message, { cause });
    this.name = 'ProbeError';
    this.kind = kind;
  }
}

/** As imgadm sends them (docs of sdc-imgapi; imgadm 3.9.5). */
const HEADERS = { accept: 'application/json', 'accept-version': '~2' };
const CONNECT_MS = 10_000;

/** `userAgent`: who asks. The caller closes it. */
export function createProbe(baseUrl: string, userAgent: string): Probe {
  const url = baseUrl.replace(/\/+$/, '');
  const dispatcher = new Agent({
    allowH2: false,
    connections: 1,
    connect: { timeout: CONNECT_MS, rejectUnauthorized: false },
  });
  return {
    url,
    async ask({ method = 'GET', path, deadlineMs, maxBytes, onBytes }) {
      const signal = AbortSignal.timeout(deadlineMs);
      const startedAt = performance.now();
      let response: Awaited<ReturnType<typeof request>>;
      try {
        response = await request(url + path, {
          method,
          dispatcher,
          signal,
          headers: { ...HEADERS, 'user-agent': userAgent },
          headersTimeout: deadlineMs,
          bodyTimeout: deadlineMs,
        });
      } catch (error) {
        throw noAnswer(error, deadlineMs);
      }
      const { statusCode, headers, body } = response;
      const headersMs = performance.now() - startedAt;
      const kept: Buffer[] = [];
      let bodyBytes = 0;
      let broken: string | undefined;
      try {
        for await (const piece of body as AsyncIterable<Buffer>) {
          bodyBytes += piece.length;
          if (bodyBytes > maxBytes) {
            broken = `it has more than ${maxBytes} bytes`;
            break;
          }
          if (onBytes === undefined) kept.push(piece);
          else onBytes(piece);
        }
      } catch (error) {
        broken = noAnswer(error, deadlineMs).message;
      }
      return {
        status: statusCode,
        header(name) {
          const value = headers[name.toLowerCase()];
          return Array.isArray(value) ? value.join(', ') : value;
        },
        body: Buffer.concat(kept),
        bodyBytes,
        headersMs,
        broken,
      };
    },
    // Not close(): that waits for what a hanging server still owes.
    close: async () => dispatcher.destroy(),
  };
}

/** The first that is known of an error and what caused it. */
function noAnswer(error: unknown, deadlineMs: number): ProbeError {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const name = error instanceof Error ? error.name : '';
  if (code === 'ECONNREFUSED') return new ProbeError('refused', 'nothing listens there (ECONNREFUSED)', error);
  if (code === 'EHOSTUNREACH' || code === 'ENETUNREACH') {
    return new ProbeError('refused', `there is no way to it (${code})`, error);
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new ProbeError('name', `its name is not known here (${code})`, error);
  }
  if (error instanceof errors.ConnectTimeoutError || code === 'ETIMEDOUT') {
    return new ProbeError('timeout', `no connection within ${CONNECT_MS / 1000} s`, error);
  }
  const isTimeout = error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError;
  if (isTimeout || name === 'TimeoutError') {
    return new ProbeError('timeout', `no end within ${deadlineMs / 1000} s`, error);
  }
  if (error instanceof errors.ResponseContentLengthMismatchError) {
    return new ProbeError('other', 'the body has another length than Content-Length says', error);
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return new ProbeError('other', 'it does not speak TLS on this port', error);
  }
  return new ProbeError('other', message === '' ? code : message, error);
}
