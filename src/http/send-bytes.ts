/**
 * Sends the bytes of one file to one response, at the response's own pace: while one piece goes out the next is read.
 * Buffers are borrowed while bytes are in flight, so that memory follows what moves and not how many wait.
 */
import type { ServerResponse } from 'node:http';
import type { ByteSource } from '../downloads/byte-source.ts';
import { MirrorError } from '../imgapi/errors.ts';

export interface SendBytesOptions {
  /** First byte. */
  readonly start: number;
  /** One past the last. */
  readonly end: number;
  /** A client that takes no byte for this long is dropped, ms. */
  readonly stallTimeoutMs: number;
  /** Aborts when the response is gone. */
  readonly signal: AbortSignal;
  /** Told of every piece the socket has taken. */
  readonly onSent: (bytes: number) => void;
}

/** 128-256 KiB is the best on every copying path: larger costs memory per slow reader and gains nothing. */
const BUFFER_BYTES = 128 * 1024;
/** Buffers that are kept for the next piece, of whichever response (32 MiB): as many as followers of one download take
 * at once. Above it they are garbage, and garbage of this size costs more than it saves. */
const MAX_IDLE_BUFFERS = 256;

const idle: Buffer[] = [];

/** `all`: every byte has been taken; `lost`: the client takes no more of them, it has left or stalled. */
export type Sent = { readonly kind: 'all' } | { readonly kind: 'lost'; readonly reason: unknown };

/** Resolves when the client takes no more; rejects when the bytes cannot come. The caller ends or destroys. */
export async function sendBytes(res: ServerResponse, source: ByteSource, options: SendBytesOptions): Promise<Sent> {
  const { start, end } = options;
  source.endAt(end);
  const writer = createPieceWriter(res, options);
  // Also of a client that stalls while nothing comes for it: nobody waits in an upstream's line for one.
  const signal = writer.over;
  try {
    for (let position = start; position < end;) {
      const waiting = source.ready(position, signal);
      if (waiting !== undefined) await waiting;
      const buffer = idle.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES);
      const read = await source.read(buffer, position, Math.min(BUFFER_BYTES, end - position), signal);
      await writer.idle();
      writer.write(buffer, read);
      position += read;
    }
    await writer.idle();
    return { kind: 'all' };
  } catch (error) {
    // Whatever it was in the midst of, that is why it ended.
    if (signal.aborted) return { kind: 'lost', reason: signal.reason };
    throw error;
  } finally {
    writer.close();
  }
}

interface PieceWriter {
  /** Aborts when no piece will be taken any more. */
  readonly over: AbortSignal;
  /** Resolves when the last piece was taken; rejects when it will not be. */
  idle(): Promise<void>;
  /** Writes the first `length` bytes of a buffer, which it takes over. Only while idle. */
  write(buffer: Buffer, length: number): void;
  close(): void;
}

/** One listener for the whole response, whatever the number of its pieces. */
function createPieceWriter(res: ServerResponse, options: SendBytesOptions): PieceWriter {
  const { signal, stallTimeoutMs, onSent } = options;
  let taken: Promise<void> = Promise.resolve();
  let settle: PromiseWithResolvers<void> | undefined;
  const over = new AbortController();
  const giveUp = (reason: unknown): void => {
    settle?.reject(reason);
    over.abort(reason);
  };
  const onAbort = (): void => giveUp(signal.reason);
  const onStall = (): void => {
    // It has taken all there was: it is we who have nothing for it.
    if (settle === undefined) return;
    giveUp(new MirrorError('DownloadFailed', `the client took no byte for ${stallTimeoutMs / 1000} s`));
  };
  let timer: NodeJS.Timeout | undefined;
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });

  return {
    over: over.signal,
    idle: async () => taken,
    write(buffer, length) {
      over.signal.throwIfAborted();
      const current = Promise.withResolvers<void>();
      settle = current;
      taken = current.promise;
      // Awaited before the next piece; a rejection before that is not lost, only not unhandled.
      taken.catch(() => {});
      clearTimeout(timer);
      timer = setTimeout(onStall, stallTimeoutMs);
      res.write(buffer.subarray(0, length), (error) => {
        if (error) {
          giveUp(error);
          return;
        }
        // Only now does nobody look at it any more: after a failure the kernel may, so then it is left to the collector.
        if (idle.length < MAX_IDLE_BUFFERS) idle.push(buffer);
        onSent(length);
        settle = undefined;
        current.resolve();
      });
    },
    close() {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    },
  };
}
