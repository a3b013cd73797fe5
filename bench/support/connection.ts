/**
 * The load generator's end of one HTTP/1.1 connection, kept alive, one request at a time. It reads through a buffer that all
 * connections share and hands the bytes on without keeping them: on a small machine a full HTTP client would cost as much as the
 * mirror it measures.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { nowMs } from './clock.ts';

export interface ConnectionOptions {
  readonly port: number;
  readonly signal: AbortSignal;
  /** Reads no faster than this. Default: as fast as it comes. */
  readonly bytesPerSecond?: number;
}

/** A finished answer. Times are `nowMs()`. */
export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly bodyBytes: number;
  readonly sentAtMs: number;
  /** The first byte of the body, not of the headers. */
  readonly firstByteAtMs: number;
  readonly endedAtMs: number;
}

/** Called for each piece of the body with its offset; the bytes are valid during the call only. */
export type OnBody = (piece: Buffer, offset: number) => void;

export interface Connection {
  /** Rejects if the connection breaks, goes silent, or the answer has no Content-Length. Any status resolves. */
  get(path: string, onBody?: OnBody): Promise<Answer>;
  close(): void;
}

interface Running {
  readonly sentAtMs: number;
  readonly onBody: OnBody;
  readonly settle: PromiseWithResolvers<Answer>;
  head: string;
  parsed:
    | { readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly length: number }
    | undefined;
  bodyBytes: number;
  firstByteAtMs: number;
}

const BUFFER_BYTES = 256 * 1024;
// Reads are synchronous from the kernel to the callback, so one buffer serves all connections and stays in the processor's cache.
const sharedBuffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const MAX_HEAD_BYTES = 64 * 1024;
const SILENCE_MS = 30_000;
/** A slow reader takes this many sips a second. */
const SIPS_PER_SECOND = 10;

/** Resolves when connected. */
export async function openConnection(options: ConnectionOptions): Promise<Connection> {
  const { port, signal, bytesPerSecond } = options;
  signal.throwIfAborted();
  const opened = Promise.withResolvers<void>();
  let running: Running | undefined;

  function fail(error: Error): void {
    opened.reject(error);
    running?.settle.reject(error);
    running = undefined;
    socket.destroy();
  }

  function onPiece(piece: Buffer): void {
    try {
      if (running !== undefined && take(running, piece)) running = undefined;
    } catch (error) {
      fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  const isSlow = bytesPerSecond !== undefined;
  const socket: Socket = connect({
    port,
    host: '127.0.0.1',
    noDelay: true,
    onread: {
      buffer: isSlow ? Buffer.alloc(Math.ceil(bytesPerSecond / SIPS_PER_SECOND)) : sharedBuffer,
      callback(bytes, buffer) {
        onPiece(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
        if (isSlow) setTimeout(() => socket.resume(), 1000 / SIPS_PER_SECOND).unref();
        return !isSlow;
      },
    },
  });
  const onAbort = (): void => fail(new Error('given up', { cause: signal.reason }));
  signal.addEventListener('abort', onAbort, { once: true });
  socket.setTimeout(SILENCE_MS, () => fail(new Error(`nothing came for ${SILENCE_MS / 1000} s${progressOf(running)}`)));
  socket.once('connect', () => opened.resolve());
  socket.once('error', fail);
  socket.once('close', () => {
    signal.removeEventListener('abort', onAbort);
    fail(new Error(`the connection was closed${progressOf(running)}`));
  });
  await opened.promise;

  return {
    async get(path, onBody = ignore) {
      if (running !== undefined) throw new Error('one request at a time');
      if (socket.destroyed) throw new Error('the connection is closed');
      const settle = Promise.withResolvers<Answer>();
      running = { sentAtMs: nowMs(), onBody, settle, head: '', parsed: undefined, bodyBytes: 0, firstByteAtMs: 0 };
      socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\naccept: */*\r\naccept-version: ~2\r\n\r\n`);
      return settle.promise;
    },
    close: () => void socket.destroy(),
  };
}

/** Takes what has come; true when the answer is whole. */
function take(running: Running, piece: Buffer): boolean {
  let body = piece;
  if (running.parsed === undefined) {
    const before = running.head.length;
    running.head += piece.toString('latin1', 0, Math.min(piece.length, MAX_HEAD_BYTES));
    const end = running.head.indexOf('\r\n\r\n');
    if (end < 0 && running.head.length < MAX_HEAD_BYTES) return false;
    running.parsed = parseHead(running.head.slice(0, end));
    body = piece.subarray(end + 4 - before);
  }
  const { length } = running.parsed;
  if (body.length > 0) {
    if (running.bodyBytes === 0) running.firstByteAtMs = nowMs();
    if (running.bodyBytes + body.length > length) throw new Error(`more came than the ${length} bytes announced`);
    running.onBody(body, running.bodyBytes);
    running.bodyBytes += body.length;
  }
  if (running.bodyBytes < length) return false;
  const { status, headers } = running.parsed;
  const { sentAtMs, bodyBytes, firstByteAtMs } = running;
  running.settle.resolve({ status, headers, bodyBytes, sentAtMs, firstByteAtMs, endedAtMs: nowMs() });
  return true;
}

function parseHead(text: string): NonNullable<Running['parsed']> {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const length = Number(headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(length)) throw new Error(`an answer without a Content-Length: ${statusLine}`);
  return { status: Number(statusLine.split(' ')[1]), headers, length };
}

function progressOf(running: Running | undefined): string {
  return running === undefined ? '' : ` after ${running.bodyBytes} of ${running.parsed?.length ?? 'unknown'} bytes`;
}

function ignore(): void {}
