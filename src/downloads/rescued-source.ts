/**
 * A follower that outlives the disk: when the file it follows fails for a reason of our own (full, broken), it goes on
 * without the disk from where it is. The client sees nothing of it.
 */
import type { ByteSource } from './byte-source.ts';
import { checkedPart } from './checked-part.ts';
import type { DownloadHeaders, FollowedDownload } from './download.ts';
import type { Passing } from './passing.ts';
import { isStorageFailure } from './storage-failure.ts';

export interface RescuedDownload {
  readonly headers: Promise<DownloadHeaders>;
  readonly source: ByteSource;
  /** True once it goes through without the disk. */
  readonly isPassing: boolean;
}

/** With the others, then, if the disk cannot give back what it has either, alone. */
const MOST_RESCUES = 2;

/** `onRescue` is told the byte from which the client is served without the download. */
export function rescueFromDisk(
  followed: FollowedDownload,
  passing: Pick<Passing, 'join' | 'goOn' | 'goOnAlone'>,
  onRescue: (position: number) => void,
): RescuedDownload {
  let current = followed.source;
  let end: number | undefined;
  let told: string | undefined;
  let rescues = 0;
  let isClosed = false;

  async function take(next: ByteSource): Promise<void> {
    rescues += 1;
    const before = current;
    current = partOf(next);
    // The download's own stays open: what is written is read through it.
    if (before !== followed.source) await before.close();
  }

  function partOf(whole: ByteSource): ByteSource {
    return end === undefined || end >= whole.size ? whole : checkedPart(whole, end);
  }

  async function rescue(position: number): Promise<void> {
    onRescue(position);
    // A download that runs has only failed this one follower.
    const isAlone = rescues > 0 || !followed.isFailed;
    await take(isAlone ? passing.goOnAlone(followed, position, told) : passing.goOn(followed, told));
  }

  async function firstHeaders(): Promise<DownloadHeaders> {
    try {
      const headers = await followed.headers;
      told = headers.contentMd5;
      return headers;
    } catch (error) {
      if (!isStorageFailure(error) || isClosed) throw error;
      onRescue(0);
      const joined = passing.join(followed.wanted);
      await take(joined.source);
      return joined.headers;
    }
  }

  /** Runs `task` on what is sound at `position`. */
  async function onSound<T>(
    position: number,
    signal: AbortSignal,
    task: (source: ByteSource) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const tried = current;
      try {
        return await task(tried);
      } catch (error) {
        const isLost = rescues >= MOST_RESCUES || isClosed || signal.aborted;
        if (!isStorageFailure(error) || isLost) throw error;
        if (tried === current) await rescue(position);
      }
    }
  }

  const headers = firstHeaders();
  // Whoever wants them awaits them; nobody may be left when they fail.
  headers.catch(() => {});
  return {
    headers,
    get isPassing() {
      return rescues > 0;
    },
    source: {
      size: followed.source.size,
      endAt(position) {
        end = position;
        if (current === followed.source) current.endAt(position);
        else current = partOf(current);
      },
      ready(position, signal) {
        const asked = current;
        const waiting = asked.ready(position, signal);
        if (waiting === undefined) return undefined;
        return onSound(position, signal, async (source) =>
          source === asked ? waiting : source.ready(position, signal),
        );
      },
      read: async (buffer, position, length, signal) =>
        onSound(position, signal, async (source) => source.read(buffer, position, length, signal)),
      async close() {
        isClosed = true;
        if (current !== followed.source) await current.close();
        await followed.source.close();
      },
    },
  };
}
