/**
 * A transfer without a place on disk: one upstream stream through a ring in memory, to all who read it about as fast as
 * the fastest of them. It has the bounds of a download (attempts, resuming, the withheld tail). Who falls out of the
 * ring is told where, with the hashes up to there, and goes on with a stream of its own.
 */
import { MirrorError } from '../imgapi/errors.ts';
import { announcedMd5 } from './announced-md5.ts';
import { createBell } from './bell.ts';
import type { DownloadHeaders } from './download.ts';
import { WITHHELD_BYTES } from './growing-file.ts';
import { createPassRing, RING_BLOCK_BYTES, type PassRing } from './pass-ring.ts';
import { createRunningHashes, type RunningHashes } from './running-hashes.ts';
import { transferBlob, type TransferDeps } from './transfer.ts';
import type { WantedBlob } from './wanted.ts';

export interface PassThroughDeps extends TransferDeps {
  readonly onEnd: (end: PassThroughEnd) => void;
}

export interface PassThroughEnd {
  /**
   * `mismatch`: the bytes were not what the manifest says; `absent`: no source has the file it lists; `aborted`: nobody wanted
   * them any more.
   */
  readonly result: 'right' | 'mismatch' | 'failed' | 'absent' | 'aborted';
  /** Its bytes came from more than one transfer: with a mismatch nobody is to blame yet. */
  readonly isMixed: boolean;
  /** Whose bytes went through it. */
  readonly upstreams: readonly string[];
  /** Why its readers got no more. */
  readonly failure?: Error;
}

/** A place in a file: a client has all that is before it already. */
export interface StartPoint {
  readonly bytes: number;
  /** What the client was told in its headers. */
  readonly contentMd5: string | undefined;
  /** Of the bytes before it. Resolves with a fork, for one reader alone. */
  hashes(): Promise<RunningHashes>;
}

export interface PassThroughOptions {
  /** Goes on from here, so that the whole is verified; undefined: from the first byte. */
  readonly from?: StartPoint;
  /** True: from one source alone, so that wrong bytes have one author. */
  readonly isWhole: boolean;
  /** Memory for those who are behind the fastest; at least `SOLO_RING_BYTES`. */
  readonly ringBytes: number;
}

export interface PassThrough {
  readonly wanted: WantedBlob;
  /** How far into the file it is, in bytes. */
  readonly received: number;
  /** Who reads it now. */
  readonly followers: number;
  /** True once its upstream stream is over; its last bytes may still be read. */
  readonly isEnded: boolean;
  /** Resolves when headers may be sent; rejects when every source has failed. */
  readonly headers: Promise<DownloadHeaders>;
  /** True if who begins to read at `position` would find every byte. */
  holds(position: number): boolean;
  /** Begins to read at `position`, which it must hold. To be called first in the turn in which it was started. */
  follow(position: number): PassReader;
  /** Gives up: all who read it fail. */
  abort(reason: MirrorError): void;
  /** Settles, never rejects, when its upstream stream is over. */
  readonly ended: Promise<PassThroughEnd>;
  /** Resolves when its upstream stream is over and the last reader has left. */
  readonly left: Promise<void>;
}

/** One who reads a pass-through, front to back. */
export interface PassReader {
  /** As of a `ByteSource`; it is ready too when it has fallen behind. */
  ready(position: number, signal: AbortSignal): Promise<void> | undefined;
  /** As of a `ByteSource`, but resolves with 0 if it has fallen behind. */
  read(buffer: Buffer, position: number, length: number, signal: AbortSignal): Promise<number>;
  /** Where it fell out of the ring; undefined while it has not. */
  readonly fallen: StartPoint | undefined;
  /** With its last reader the transfer ends. */
  close(): void;
}

/** The upstream waits when it is so far ahead of the fastest reader, in bytes. */
const AHEAD_BYTES = 1024 * 1024;
/** Enough for one reader: what is fetched ahead, a piece that is being taken, and the block that is let go. */
export const SOLO_RING_BYTES: number = AHEAD_BYTES + 2 * RING_BLOCK_BYTES;

export function startPassThrough(deps: PassThroughDeps, wanted: WantedBlob, options: PassThroughOptions): PassThrough {
  const { size, sha1 } = wanted;
  const { from } = options;
  const base = from?.bytes ?? 0;
  const abort = new AbortController();
  const headers = Promise.withResolvers<DownloadHeaders>();
  // Nobody may be waiting for them any more when they fail.
  headers.promise.catch(() => {});
  const upstreams = new Set<string>();
  const readers = new Set<{ position: number; fallen: StartPoint | undefined }>();
  const [arrival, progress] = [createBell(), createBell()];
  abort.signal.addEventListener('abort', () => progress.ring(), { once: true });
  let announced = from?.contentMd5;
  let answers = 0;
  let ring: PassRing | undefined;
  let isRight = false;
  let failure: Error | undefined;
  let isEnded = false;

  /** Bytes [0, limit) may be read now. */
  const limit = (): number => (isRight ? size : Math.min(ring?.end ?? base, size - WITHHELD_BYTES));
  const isMixed = (): boolean => base > 0 || answers > 1;

  function dropBefore(start: number, of: PassRing): void {
    for (const reader of readers) {
      if (reader.position >= start) continue;
      const hashes = of.hashesAt(reader.position);
      reader.fallen = { bytes: reader.position, contentMd5: announced, hashes: async () => hashes.fork() };
      readers.delete(reader);
    }
  }

  async function receive(into: PassRing, chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length; at += RING_BLOCK_BYTES) {
      // The fastest sets the pace: who stands still costs the others nothing, and the fastest never falls out.
      while (into.end - furthest() > AHEAD_BYTES) {
        abort.signal.throwIfAborted();
        await progress.rung;
      }
      abort.signal.throwIfAborted();
      into.push(chunk.subarray(at, at + RING_BLOCK_BYTES));
      arrival.ring();
    }
  }

  function furthest(): number {
    let most = base;
    for (const { position } of readers) if (position > most) most = position;
    return most;
  }

  async function run(): Promise<PassThroughEnd['result']> {
    const hashes = from === undefined ? createRunningHashes() : await from.hashes();
    abort.signal.throwIfAborted();
    const filled = createPassRing({
      start: base,
      hashes,
      capacityBytes: options.ringBytes,
      onDrop: (start) => dropBefore(start, filled),
    });
    ring = filled;
    const target = {
      get received() {
        return filled.end;
      },
      receive: async (chunk: Buffer) => receive(filled, chunk),
      onHeaders: (source: { upstream: { name: string } }, stream: { contentMd5: string | undefined }) => {
        if (from === undefined && answers === 0) announced = announcedMd5(stream.contentMd5);
        answers += 1;
        upstreams.add(source.upstream.name);
        headers.resolve({ contentMd5: announced });
      },
    };
    await transferBlob(deps, wanted, target, {
      signal: abort.signal,
      isSingleSource: options.isWhole,
      // A client that has its headers can no more be told to come again later: it waits, and leaves when it likes.
      isPatient: () => from !== undefined || answers > 0,
    });
    return verify(hashes.digest());
  }

  function verify(found: { readonly sha1: string; readonly md5: string }): PassThroughEnd['result'] {
    const names = [...upstreams].join(', ');
    if (found.sha1 !== sha1) {
      deps.events.onChecked('sha1');
      fail(new MirrorError('DownloadFailed', `the bytes of ${names} do not have SHA-1 ${sha1}`));
      return 'mismatch';
    }
    if (announced !== undefined && found.md5 !== announced) {
      deps.events.onChecked('md5');
      fail(new MirrorError('DownloadFailed', `${names} sent a wrong Content-MD5 for ${sha1}`));
      return 'failed';
    }
    deps.events.onChecked('right');
    isRight = true;
    return 'right';
  }

  function fail(error: unknown): void {
    failure = error instanceof Error ? error : new MirrorError('DownloadFailed', String(error));
    headers.reject(failure);
    if (abort.signal.aborted) return;
    const { requestId: reqId } = wanted;
    const evidence = { sha1, received: ring?.end ?? base, upstreams: [...upstreams], isMixed: isMixed(), reqId };
    deps.log.error({ err: failure, ...evidence }, 'pass-through failed');
  }

  function resultOf(error: unknown): PassThroughEnd['result'] {
    if (abort.signal.aborted) return 'aborted';
    return error instanceof MirrorError && error.isMeant ? 'absent' : 'failed';
  }

  async function finish(): Promise<PassThroughEnd> {
    let result: PassThroughEnd['result'];
    try {
      result = await run();
    } catch (error) {
      fail(error);
      result = resultOf(error);
    }
    isEnded = true;
    arrival.ring();
    const end = { result, isMixed: isMixed(), upstreams: [...upstreams] };
    deps.onEnd(end);
    return failure === undefined ? end : { ...end, failure };
  }
  const ended = finish();
  const empty = Promise.withResolvers<void>();

  function follow(start: number): PassReader {
    const reader: { position: number; fallen: StartPoint | undefined } = { position: start, fallen: undefined };
    let watched: AbortSignal | undefined;
    readers.add(reader);

    async function wait(position: number, signal: AbortSignal): Promise<void> {
      if (watched !== signal) {
        watched = signal;
        signal.addEventListener('abort', arrival.ring, { once: true });
      }
      for (;;) {
        signal.throwIfAborted();
        // What becomes of the others is of no interest to one who has left them.
        if (reader.fallen !== undefined) return;
        if (failure !== undefined) throw failure;
        if (position < limit()) return;
        if (position >= size) throw new MirrorError('InternalError', `read at ${position} of ${size} bytes`);
        await arrival.rung;
      }
    }

    return {
      get fallen() {
        return reader.fallen;
      },
      ready(position, signal) {
        const isSound = failure === undefined && !signal.aborted;
        return isSound && reader.fallen === undefined && position < limit() ? undefined : wait(position, signal);
      },
      async read(buffer, position, length, signal) {
        await wait(position, signal);
        if (reader.fallen !== undefined || ring === undefined) return 0;
        const read = ring.copy(buffer, position, Math.min(length, limit() - position));
        reader.position = position + read;
        progress.ring();
        return read;
      },
      close() {
        watched?.removeEventListener('abort', arrival.ring);
        if (!readers.delete(reader)) return;
        if (readers.size === 0) {
          abort.abort(new MirrorError('DownloadFailed', 'every client has left'));
          empty.resolve();
        }
        // The one the upstream waited for may have been this.
        progress.ring();
      },
    };
  }

  return {
    wanted,
    get received() {
      return ring?.end ?? base;
    },
    get followers() {
      return readers.size;
    },
    get isEnded() {
      return isEnded;
    },
    headers: headers.promise,
    ended,
    left: Promise.all([ended, empty.promise]).then(() => undefined),
    holds(position) {
      if (failure !== undefined || abort.signal.aborted) return false;
      return position >= base && position >= (ring?.start ?? base) && position <= (ring?.end ?? base);
    },
    follow,
    abort: (reason) => abort.abort(reason),
  };
}
