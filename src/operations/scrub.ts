/**
 * `scrub`: reads everything stored again now, and fetches anew what has rotted. Who asks while it runs joins it: the same
 * events from then on, the same result. It goes on until the last of them has gone.
 */
import type { Scrub, ScrubbedBlob } from '../blobs/scrub.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { Operation, OperationContext } from './operation.ts';
import type { Refetcher } from './refetch.ts';

/** What happens while it runs. Sizes in bytes; `progress` comes at most five times a second, and last when all is read. */
export type ScrubEvent =
  | {
      readonly type: 'progress';
      readonly checkedBlobs: number;
      readonly totalBlobs: number;
      readonly checkedBytes: number;
      readonly totalBytes: number;
    }
  /** The bytes are not what arrived; they went to quarantine, and their image is fetched again. */
  | { readonly type: 'rotted'; readonly sha1: Sha1Hex; readonly reason: string }
  /** The bytes are right, and what was noted of them was not; it is noted anew. */
  | { readonly type: 'repaired'; readonly sha1: Sha1Hex; readonly reason: string }
  /** It could not be told. */
  | { readonly type: 'failed'; readonly sha1: Sha1Hex; readonly reason: string }
  | { readonly type: 'refetched'; readonly sha1: Sha1Hex }
  /** Rotted, and not to be had just now: tried again by a mirror that runs, and by the next client who wants it. */
  | { readonly type: 'missing'; readonly sha1: Sha1Hex; readonly reason: string };

interface Told {
  readonly sha1: Sha1Hex;
  readonly reason: string;
}

/** Every rotted blob is in `refetched` or in `missing` as well. */
export interface ScrubResult {
  /** Blobs that were read, or seen to be rotten without: all but those that were evicted meanwhile or failed. */
  readonly checked: number;
  /** Bytes of those blobs. */
  readonly bytes: number;
  readonly rotted: readonly Told[];
  readonly repaired: readonly Told[];
  /** Could not be checked. */
  readonly failed: readonly Told[];
  readonly refetched: readonly Sha1Hex[];
  readonly missing: readonly Told[];
}

export interface ScrubOperationDeps {
  readonly scrub: Pick<Scrub, 'checkAll'>;
  readonly refetcher: Pick<Refetcher, 'refetch'>;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
}

const PROGRESS_EVERY_MS = 200;

interface Run {
  readonly members: Set<OperationContext>;
  readonly abort: AbortController;
  readonly result: Promise<ScrubResult>;
}

export function createScrubOperation(deps: ScrubOperationDeps): Operation<object, ScrubResult> {
  let current: Run | undefined;

  function begin(): Run {
    const abort = new AbortController();
    const members = new Set<OperationContext>();
    const tell = (event: ScrubEvent): void => {
      for (const { onEvent } of members) onEvent(event);
    };
    const result = scrubOnce(deps, tell, abort.signal).finally(() => {
      if (current?.result === run.result) current = undefined;
    });
    const run = { members, abort, result };
    return run;
  }

  return {
    async run(_input, context) {
      const { signal } = context;
      signal.throwIfAborted();
      // One that its last asker has left is ending; the next one waits for its turn.
      const run = current === undefined || current.abort.signal.aborted ? begin() : current;
      current = run;
      run.members.add(context);
      const left = Promise.withResolvers<never>();
      const leave = (): void => {
        run.members.delete(context);
        if (run.members.size === 0) run.abort.abort(signal.reason);
        left.reject(signal.reason);
      };
      signal.addEventListener('abort', leave, { once: true });
      try {
        return await Promise.race([run.result, left.promise]);
      } finally {
        signal.removeEventListener('abort', leave);
        run.members.delete(context);
      }
    },
  };
}

async function scrubOnce(
  { scrub, refetcher, monotonicNow }: ScrubOperationDeps,
  tell: (event: ScrubEvent) => void,
  signal: AbortSignal,
): Promise<ScrubResult> {
  const lists = { rotted: [] as Told[], repaired: [] as Told[], failed: [] as Told[] };
  const refetched: Sha1Hex[] = [];
  const missing: Told[] = [];
  const fetching: Promise<void>[] = [];
  let [checked, bytes] = [0, 0];
  const progress = createProgress(tell, monotonicNow);

  const refetch = async (sha1: Sha1Hex): Promise<void> => {
    const { result, reason = 'it could not be stored' } = await refetcher.refetch(sha1);
    if (result === 'stored') {
      refetched.push(sha1);
      tell({ type: 'refetched', sha1 });
    } else {
      missing.push({ sha1, reason });
      tell({ type: 'missing', sha1, reason });
    }
  };
  const onChecked = (blob: ScrubbedBlob): void => {
    const { sha1 } = blob;
    if (blob.result !== 'gone' && blob.result !== 'failed') {
      checked += 1;
      bytes += blob.size;
    }
    if (blob.result === 'rotted' || blob.result === 'repaired' || blob.result === 'failed') {
      lists[blob.result].push({ sha1, reason: blob.reason });
      tell({ type: blob.result, sha1, reason: blob.reason });
    }
    if (blob.result === 'rotted') fetching.push(refetch(sha1));
    progress.done(blob.size);
  };

  await scrub.checkAll({
    signal,
    onBegin: (total) => progress.begin(total),
    onRead: (read) => progress.read(read),
    onChecked,
  });
  const left = Promise.withResolvers<never>();
  const onAbort = (): void => left.reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    await Promise.race([Promise.all(fetching), left.promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
  return { checked, bytes, ...lists, refetched, missing };
}

function createProgress(tell: (event: ScrubEvent) => void, monotonicNow: () => number) {
  let total = { blobs: 0, bytes: 0 };
  let [blobs, doneBytes, readBytes, checkedBytes] = [0, 0, 0, 0];
  let toldAtMs = Number.NEGATIVE_INFINITY;

  function say(isLast: boolean): void {
    const nowMs = monotonicNow();
    if (!isLast && nowMs - toldAtMs < PROGRESS_EVERY_MS) return;
    toldAtMs = nowMs;
    // What was read wrong is read twice: it counts once, and never less than was said.
    checkedBytes = Math.max(checkedBytes, Math.min(total.bytes, doneBytes + readBytes));
    tell({ type: 'progress', checkedBlobs: blobs, totalBlobs: total.blobs, checkedBytes, totalBytes: total.bytes });
  }

  return {
    begin(all: { readonly blobs: number; readonly bytes: number }): void {
      total = all;
      say(true);
    },
    read(bytes: number): void {
      readBytes += bytes;
      say(false);
    },
    /** A blob of `size` is done with, however much of it was read, once or twice. */
    done(size: number): void {
      blobs += 1;
      doneBytes += size;
      readBytes = 0;
      say(blobs === total.blobs);
    },
  };
}
