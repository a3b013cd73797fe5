/**
 * The file of a running download as its followers see it: how far it may be read, and a wait for more.
 *
 * The last 64 KiB are withheld until the whole is known to be right, so that no follower can end cleanly on wrong
 * bytes. Followers read the file, not a shared buffer: the slowest costs nobody anything.
 */
import type { FileHandle } from 'node:fs/promises';
import { MirrorError } from '../imgapi/errors.ts';
import type { ByteSource } from './byte-source.ts';

/** Bytes at the end that no follower gets before size and SHA-1 are right. */
export const WITHHELD_BYTES: number = 64 * 1024;

export interface GrowingFile {
  readonly size: number;
  /** Bytes on disk, from the start without a gap. */
  readonly written: number;
  readonly followers: number;
  /** The descriptor it is read through; before `grow`. Must stay open until it has ended and `onEmpty` has run. */
  attach(handle: FileHandle): void;
  /** Bytes [0, written) are on disk now. */
  grow(written: number): void;
  /** All of it is right: the rest may be read. */
  complete(): void;
  /** It will never be right: every waiting and later read rejects with `error`. */
  fail(error: Error): void;
  /** A new reader; it may begin to wait before the first byte is there. */
  follow(): ByteSource;
}

export interface GrowingFileOptions {
  readonly size: number;
  /** The last follower has closed. */
  readonly onEmpty: () => void;
}

export function createGrowingFile(options: GrowingFileOptions): GrowingFile {
  const { size } = options;
  let handle: FileHandle | undefined;
  let written = 0;
  let isComplete = false;
  let followers = 0;
  let failure: Error | undefined;
  const waiting = new Set<() => void>();

  function wake(): void {
    const all = [...waiting];
    waiting.clear();
    for (const resume of all) resume();
  }

  /** Resolves when something has changed, or `signal` aborts. */
  async function change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const resume = (): void => resolve();
    waiting.add(resume);
    signal.addEventListener('abort', resume, { once: true });
    await promise;
    signal.removeEventListener('abort', resume);
    waiting.delete(resume);
  }

  return {
    size,
    get written() {
      return written;
    },
    get followers() {
      return followers;
    },
    attach(open) {
      handle = open;
    },
    grow(to) {
      written = to;
      wake();
    },
    complete() {
      isComplete = true;
      wake();
    },
    fail(error) {
      failure ??= error;
      wake();
    },
    follow(): ByteSource {
      let isOpen = true;
      let end = size;
      followers += 1;
      return {
        size,
        endAt(position) {
          end = position;
        },
        async read(buffer, position, length, signal) {
          let readable = 0;
          for (;;) {
            // Also what was readable before a failure is not served after it: the response cannot end well any more.
            if (failure !== undefined) throw failure;
            signal.throwIfAborted();
            readable = isComplete ? end : Math.min(written, end - WITHHELD_BYTES);
            if (position < readable) break;
            // A read past the end would wait for bytes that cannot come.
            if (position >= end) throw new MirrorError('InternalError', `read at ${position} of ${end} bytes`);
            await change(signal);
          }
          if (handle === undefined) throw new MirrorError('InternalError', 'the file grew before it was attached');
          const { bytesRead } = await handle.read(buffer, 0, Math.min(length, readable - position), position);
          if (bytesRead === 0) throw new MirrorError('InternalError', `the partial ended at byte ${position}`);
          return bytesRead;
        },
        async close() {
          if (!isOpen) return;
          isOpen = false;
          followers -= 1;
          if (followers === 0) options.onEmpty();
        },
      };
    },
  };
}
