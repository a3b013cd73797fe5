/**
 * Sends the bytes of one file to one response, at the response's own pace. Two buffers a response: while one goes out
 * the next is read; memory does not depend on the file or on other readers.
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

/** Resolves when every byte has been taken; rejects when they cannot come or be taken. The caller ends or destroys. */
export async function sendBytes(res: ServerResponse, source: ByteSource, options: SendBytesOptions): Promise<void> {
  const { start, end, signal } = options;
  source.endAt(end);
  const bufferBytes = Math.max(1, Math.min(BUFFER_BYTES, end - start));
  const buffers = [Buffer.allocUnsafeSlow(bufferBytes)];
  let writing: Promise<void> = Promise.resolve();
  for (let position = start, turn = 0; position < end; turn = 1 - turn) {
    const buffer = (buffers[turn] ??= Buffer.allocUnsafeSlow(bufferBytes));
    const length = Math.min(bufferBytes, end - position);
    const read = await source.read(buffer, position, length, signal);
    await writing;
    writing = write(res, buffer.subarray(0, read), options);
    // Awaited in the next turn; a rejection before that is not lost, only not unhandled.
    writing.catch(() => {});
    position += read;
  }
  await writing;
}

async function write(res: ServerResponse, piece: Buffer, options: SendBytesOptions): Promise<void> {
  const { signal, stallTimeoutMs, onSent } = options;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  const timer = setTimeout(
    () => reject(new MirrorError('DownloadFailed', `the client took no byte for ${stallTimeoutMs / 1000} s`)),
    stallTimeoutMs,
  );
  signal.addEventListener('abort', onAbort, { once: true });
  res.write(piece, (error) => (error ? reject(error) : resolve()));
  try {
    await promise;
    onSent(piece.length);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
}
