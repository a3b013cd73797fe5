/**
 * Writes a stream of small chunks to a file in large pieces: while one write is under way the next piece gathers, so
 * that a fast upstream gets pieces of up to 1 MiB and a slow one is on disk, and with its followers, at once.
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

export function createFileWriter(options: FileWriterOptions): FileWriter {
  const { handle, onWritten } = options;
  let end = options.position;
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let running: Promise<void> | undefined;
  let failure: unknown;

  async function drain(): Promise<void> {
    try {
      while (pendingBytes > 0) {
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
        onWritten(end);
      }
    } catch (error) {
      failure = error;
    } finally {
      running = undefined;
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
      running ??= drain();
      if (pendingBytes >= MAX_PENDING_BYTES) await running;
      check();
    },
    async flush() {
      await running;
      check();
    },
  };
}
