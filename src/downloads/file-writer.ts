/**
 * Writes a stream of small chunks to a file in large pieces. While one write is under way the next piece gathers, up to
 * 1 MiB of it; and in the tenth of a second after a write began less than 64 KiB is not worth another. So a slow stream
 * costs ten writes a second and not one for each packet: each is a turn of the loop, and a read and a send for every follower,
 * and a hundred slow downloads would be more than a core (measured).
 */
import type { FileHandle } from 'node:fs/promises';

export interface FileWriter {
  /** Takes a chunk; resolves when the next may come. Rejects with the error of an earlier write. */
  append(chunk: Buffer): Promise<void>;
  /** Resolves when all that was appended is written (not synced). */
  flush(): Promise<void>;
}

export interface FileWriterOptions {
  readonly handle: FileHandle;
  /** Where the first chunk goes, in bytes. */
  readonly position: number;
  /** Called after every write with the new end of the file. */
  readonly onWritten: (end: number) => void;
}

/** Most that gathers behind a running write, in bytes: the memory one download costs. */
const MAX_PENDING_BYTES = 1024 * 1024;
/** So much is written at once: no read of a socket brings more. */
const WHOLE_PIECE_BYTES = 64 * 1024;
/** From the beginning of a write to that of the next, where there is less than that to write, ms. */
const SMALL_PIECE_MS = 100;

export function createFileWriter(options: FileWriterOptions): FileWriter {
  const { handle, onWritten } = options;
  let end = options.position;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let running: Promise<void> | undefined;
  /** Until it ends, less than a whole piece waits. */
  let pause: NodeJS.Timeout | undefined;
  let isFlushing = false;
  let failure: unknown;

  function isDue(): boolean {
    if (pendingBytes === 0 || failure !== undefined) return false;
    return pause === undefined || isFlushing || pendingBytes >= WHOLE_PIECE_BYTES;
  }

  function startIfDue(): void {
    if (isDue()) running ??= drain();
  }

  async function drain(): Promise<void> {
    try {
      while (isDue()) {
        clearTimeout(pause);
        pause = setTimeout(() => {
          pause = undefined;
          startIfDue();
        }, SMALL_PIECE_MS);
        await writePiece();
        onWritten(end);
      }
    } catch (error) {
      failure = error;
    } finally {
      running = undefined;
    }
  }

  async function writePiece(): Promise<void> {
    const [first, ...rest] = pending;
    const piece = first !== undefined && rest.length === 0 ? first : Buffer.concat(pending, pendingBytes);
    pending = [];
    pendingBytes = 0;
    // A short write is no error by itself (POSIX write(2)): the rest of it may still fit, or say why not.
    for (let done = 0; done < piece.length;) {
      const { bytesWritten } = await handle.write(piece, done, piece.length - done, end);
      done += bytesWritten;
      end += bytesWritten;
    }
  }

  function check(): void {
    if (failure !== undefined) throw failure;
  }

  return {
    async append(chunk) {
      check();
      if (chunk.length === 0) return;
      pending.push(chunk);
      pendingBytes += chunk.length;
      startIfDue();
      if (pendingBytes >= MAX_PENDING_BYTES) await running;
      check();
    },
    async flush() {
      isFlushing = true;
      startIfDue();
      await running;
      isFlushing = false;
      clearTimeout(pause);
      pause = undefined;
      check();
    },
  };
}
