/**
 * A transfer without a place on disk: from upstream to one client, verified, not kept. It has the same bounds as a
 * download (attempts, resuming, the withheld tail), but its upstream stream serves nobody else.
 */
import { createHash } from 'node:crypto';
import { MirrorError } from '../imgapi/errors.ts';
import { announcedMd5 } from './announced-md5.ts';
import type { ByteSource } from './byte-source.ts';
import type { DownloadHeaders } from './download.ts';
import { WITHHELD_BYTES } from './growing-file.ts';
import { transferBlob, type TransferDeps } from './transfer.ts';
import type { WantedBlob } from './wanted.ts';

export interface PassThroughDeps extends TransferDeps {
  /** True: all bytes were right. */
  readonly onEnd: (isRight: boolean) => void;
}

/** The beginning of a file whose download the disk ended: a client has it already. */
export interface Prefix {
  readonly bytes: number;
  /** What the client was told in its headers. */
  readonly contentMd5: string | undefined;
  read(buffer: Buffer, position: number, length: number): Promise<number>;
}

export interface PassThrough {
  /** Resolves when headers may be sent; rejects when every source has failed. */
  readonly headers: Promise<DownloadHeaders>;
  /** To be read once, from the start or from behind the prefix. Closing it ends the transfer. */
  readonly source: ByteSource;
}

/** Most bytes that wait for the client, beside the withheld ones: beyond it the upstream waits. */
const MAX_PENDING_BYTES = 1024 * 1024;
const PREFIX_BUFFER_BYTES = 256 * 1024;

/** With a prefix the source goes on behind it; the prefix is hashed too, so that the whole is verified. */
export function startPassThrough(deps: PassThroughDeps, wanted: WantedBlob, prefix?: Prefix): PassThrough {
  const { size, sha1 } = wanted;
  const abort = new AbortController();
  const headers = Promise.withResolvers<DownloadHeaders>();
  // Nobody may be waiting for them any more when they fail.
  headers.promise.catch(() => {});
  const sha1Hash = createHash('sha1');
  const md5Hash = createHash('md5');
  let announced = prefix?.contentMd5;
  let isAnswered = prefix !== undefined;
  let chunks: Buffer[] = [];
  let pending = 0;
  let received = 0;
  let isRight = false;
  let failure: Error | undefined;
  let changed = Promise.withResolvers<void>();

  function wake(): void {
    changed.resolve();
    changed = Promise.withResolvers<void>();
  }

  async function change(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const gone = Promise.withResolvers<never>();
    const onAbort = (): void => gone.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([changed.promise, gone.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async function hashPrefix(): Promise<void> {
    if (prefix === undefined) return;
    const buffer = Buffer.allocUnsafeSlow(PREFIX_BUFFER_BYTES);
    while (received < prefix.bytes) {
      abort.signal.throwIfAborted();
      const read = await prefix.read(buffer, received, Math.min(buffer.length, prefix.bytes - received));
      if (read === 0) throw new MirrorError('StorageFailed', `the partial of ${sha1} ended at byte ${received}`);
      sha1Hash.update(buffer.subarray(0, read));
      md5Hash.update(buffer.subarray(0, read));
      received += read;
    }
  }

  async function run(): Promise<void> {
    await hashPrefix();
    await transferBlob(
      deps,
      wanted,
      {
        get received() {
          return received;
        },
        async receive(chunk) {
          sha1Hash.update(chunk);
          md5Hash.update(chunk);
          received += chunk.length;
          chunks.push(chunk);
          pending += chunk.length;
          wake();
          while (pending > MAX_PENDING_BYTES + WITHHELD_BYTES) await change(abort.signal);
        },
        onHeaders(_source, stream) {
          if (!isAnswered) announced = announcedMd5(stream.contentMd5);
          isAnswered = true;
          headers.resolve({ contentMd5: announced });
        },
      },
      { signal: abort.signal, isSingleSource: false },
    );
    if (sha1Hash.digest('hex') !== sha1) throw new MirrorError('DownloadFailed', `the bytes do not have SHA-1 ${sha1}`);
    if (announced !== undefined && md5Hash.digest('base64') !== announced) {
      throw new MirrorError('DownloadFailed', `the upstream sent a wrong Content-MD5 for ${sha1}`);
    }
    isRight = true;
  }

  async function finish(): Promise<void> {
    try {
      await run();
    } catch (error) {
      failure = error instanceof Error ? error : new MirrorError('DownloadFailed', String(error));
      headers.reject(failure);
      if (!abort.signal.aborted) {
        deps.log.error({ err: failure, sha1, received, reqId: wanted.requestId }, 'pass-through failed');
      }
    }
    wake();
    deps.onEnd(isRight);
  }
  void finish();

  function readable(): number {
    return isRight ? pending : pending - WITHHELD_BYTES;
  }

  async function wait(signal: AbortSignal): Promise<void> {
    for (;;) {
      if (failure !== undefined) throw failure;
      if (readable() > 0) return;
      if (isRight) throw new MirrorError('InternalError', `read past the end of ${sha1}`);
      await change(signal);
    }
  }

  /** Takes up to `length` bytes off the front of what is pending. */
  function take(buffer: Buffer, length: number): number {
    let taken = 0;
    while (taken < length) {
      const [first] = chunks;
      if (first === undefined) break;
      const part = first.subarray(0, length - taken);
      buffer.set(part, taken);
      taken += part.length;
      if (part.length === first.length) chunks.shift();
      else chunks[0] = first.subarray(part.length);
    }
    pending -= taken;
    wake();
    return taken;
  }

  return {
    headers: headers.promise,
    source: {
      size,
      // It is always read to its end, and the tail of the whole is withheld.
      endAt() {},
      ready: (_position, signal) => (readable() > 0 && failure === undefined ? undefined : wait(signal)),
      async read(buffer, _position, length, signal) {
        await wait(signal);
        return take(buffer, Math.min(length, readable()));
      },
      async close() {
        abort.abort(new MirrorError('DownloadFailed', 'the client has left'));
        chunks = [];
      },
    },
  };
}
