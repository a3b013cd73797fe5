/**
 * A follower that outlives the disk: when the file it follows fails for a reason of our own (full, broken), it goes on
 * with a pass-through from where it is. The client sees nothing of it.
 */
import type { ByteSource } from './byte-source.ts';
import type { DownloadHeaders, FollowedDownload } from './download.ts';
import type { PassThrough, Prefix } from './pass-through.ts';
import { isStorageFailure } from './storage-failure.ts';

export interface RescuedDownload {
  readonly headers: Promise<DownloadHeaders>;
  readonly source: ByteSource;
  /** True once it goes through without the disk. */
  readonly isPassing: boolean;
}

export function rescueFromDisk(
  followed: FollowedDownload,
  startPass: (prefix: Prefix) => PassThrough,
): RescuedDownload {
  let passing: PassThrough | undefined;
  let end: number | undefined;
  let told: string | undefined;
  let isClosed = false;

  function pass(position: number): PassThrough {
    passing = startPass({ bytes: position, contentMd5: told, read: async (...at) => followed.readWritten(...at) });
    if (end !== undefined) passing.source.endAt(end);
    return passing;
  }

  async function firstHeaders(): Promise<DownloadHeaders> {
    try {
      const headers = await followed.headers;
      told = headers.contentMd5;
      return headers;
    } catch (error) {
      if (!isStorageFailure(error) || isClosed) throw error;
      return pass(0).headers;
    }
  }

  /** Runs `task` on the file while that is sound, else on the pass-through that begins at `position`. */
  async function onSound<T>(position: number, task: (source: ByteSource) => Promise<T>): Promise<T> {
    if (passing !== undefined) return task(passing.source);
    try {
      return await task(followed.source);
    } catch (error) {
      // A part cannot be rescued: it would have to end before the whole behind it is verified.
      const isPart = end !== undefined && end < followed.source.size;
      if (!isStorageFailure(error) || isClosed || isPart) throw error;
      return task((passing ?? pass(position)).source);
    }
  }

  const headers = firstHeaders();
  // Whoever wants them awaits them; nobody may be left when they fail.
  headers.catch(() => {});
  return {
    headers,
    get isPassing() {
      return passing !== undefined;
    },
    source: {
      size: followed.source.size,
      endAt(position) {
        end = position;
        (passing?.source ?? followed.source).endAt(position);
      },
      ready(position, signal) {
        const current = passing?.source ?? followed.source;
        const waiting = current.ready(position, signal);
        if (waiting === undefined) return undefined;
        return onSound(position, async (source) => (source === current ? waiting : source.ready(position, signal)));
      },
      read: async (buffer, position, length, signal) =>
        onSound(position, async (source) => source.read(buffer, position, length, signal)),
      async close() {
        isClosed = true;
        await passing?.source.close();
        await followed.source.close();
      },
    },
  };
}
