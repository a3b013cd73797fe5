/**
 * The file of a running download as its followers see it: how far it may be read, and a wait for more.
 *
 * The last 64 KiB are withheld until the whole is known to be right, so that no follower can end cleanly on wrong
 * bytes. Followers read the file, not a shared buffer: the slowest costs nobody anything.
 */
import type { FileHandle } from 'node:fs/promises';
import { MirrorError } from '../imgapi/errors.ts';
import { createBell } from './bell.ts';
import type { ByteSource } from './byte-source.ts';

/** Bytes at the end that no follower gets before size and SHA-1 are right. */
export const WITHHELD_BYTES: number = 64 * 1024;

export interface GrowingFile {
  readonly size: number;
  /** Bytes on disk, from the start without a gap. */
  readonly written: number;
  readonly followers: number;
  readonly isFailed: boolean;
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
  /** Whether it was found, after it was complete, that the disk has let it rot. Default: never. */
  readonly isRotten?: () => boolean;
}

export function createGrowingFile(options: GrowingFileOptions): GrowingFile {
  const { size } = options;
  let handle: FileHandle | undefined;
  let written = 0;
  let isComplete = false;
  let followers = 0;
  let failure: Error | undefined;
  // One promise for all who wait: a hundred followers of a fast download must not cost a hundred objects for each piece.
  const change = createBell();

  return {
    size,
    get written() {
      return written;
    },
    get followers() {
      return followers;
    },
    get isFailed() {
      return failure !== undefined;
    },
    attach(open) {
      handle = open;
    },
    grow(to) {
      written = to;
      change.ring();
    },
    complete() {
      isComplete = true;
      change.ring();
    },
    fail(error) {
      failure ??= error;
      change.ring();
    },
    follow(): ByteSource {
      let isOpen = true;
      let end = size;
      let watched: AbortSignal | undefined;
      followers += 1;

      /** Bytes [0, limit) may be read now. */
      const limit = (): number => (isComplete ? end : Math.min(written, end - WITHHELD_BYTES));

      async function wait(position: number, signal: AbortSignal): Promise<void> {
        if (watched !== signal) {
          watched = signal;
          signal.addEventListener('abort', change.ring, { once: true });
        }
        for (;;) {
          // Also what was readable before a failure is not served after it: the response cannot end well any more.
          if (failure !== undefined) throw failure;
          signal.throwIfAborted();
          if (position < limit()) return;
          // A read past the end would wait for bytes that cannot come.
          if (position >= end) throw new MirrorError('InternalError', `read at ${position} of ${end} bytes`);
          await change.rung;
        }
      }

      return {
        size,
        endAt(position) {
          end = position;
        },
        ready(position, signal) {
          return failure === undefined && !signal.aborted && position < limit() ? undefined : wait(position, signal);
        },
        async read(buffer, position, length, signal) {
          await wait(position, signal);
          if (handle === undefined) throw new MirrorError('InternalError', 'the file grew before it was attached');
          const { bytesRead } = await handle.read(buffer, 0, Math.min(length, limit() - position), position);
          if (bytesRead === 0) throw new MirrorError('InternalError', `the partial ended at byte ${position}`);
          if (options.isRotten?.() === true)
            throw new MirrorError('InternalError', 'the blob was found rotten meanwhile');
          return bytesRead;
        },
        async close() {
          if (!isOpen) return;
          isOpen = false;
          watched?.removeEventListener('abort', change.ring);
          followers -= 1;
          if (followers === 0) options.onEmpty();
        },
      };
    },
  };
}
