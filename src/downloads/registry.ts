/**
 * All running downloads, at most one per blob. `obtain` is the one way to a blob's bytes: stored, running, or begun now.
 */
import { LRUCache } from 'lru-cache';
import type { OpenBlob } from '../blobs/store.ts';
import type { Reservation, SpaceKeeper } from '../blobs/reservation.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { startDownload, type Download, type DownloadDeps, type DownloadEnd } from './download.ts';
import { startPassThrough } from './pass-through.ts';
import { EMPTY_MD5, emptySource } from './empty-file.ts';
import { rescueFromDisk } from './rescued-source.ts';
import { createSlots, type Slots } from './slots.ts';
import { createStoredSource } from './stored-source.ts';
import type { DownloadSource, WantedBlob } from './wanted.ts';

/** Bytes to be had, and what to say about them. Close `source` in every case. */
export interface ObtainedBlob {
  /** PASS: there was no room for it on disk. */
  readonly cache: 'HIT' | 'MISS' | 'JOIN' | 'PASS';
  readonly source: ByteSource;
  /** Bytes that can be read without waiting for an upstream, from the start. */
  readonly available: number;
  /** Resolves with what the headers need; rejects with the error to answer. Bounded by the attempts of the sources. */
  readonly headers: Promise<{ readonly contentMd5: string | undefined }>;
  /** Whether the blob is stored in the end. Never rejects. */
  readonly stored: Promise<boolean>;
}

export interface Downloads {
  obtain(wanted: WantedBlob): Promise<ObtainedBlob>;
  /** How much of a running download is on disk; undefined if none runs. */
  progressOf(sha1: Sha1Hex): number | undefined;
  readonly running: Iterable<Download>;
  /** Gives up the running downloads that nobody follows; their partials stay. */
  stopUnfollowed(): void;
  /** Gives up every running download and waits for them to have ended. */
  close(): Promise<void>;
}

export interface DownloadsDeps extends Omit<DownloadDeps, 'slotsOf' | 'onWrongBytes' | 'onEnd'> {
  readonly space: SpaceKeeper;
  readonly onEnd: (end: DownloadEnd) => void;
  /** A transfer without room on disk has ended; `isRight`: all its bytes were. */
  readonly onPassed: (isRight: boolean) => void;
}

export interface DownloadsOptions {
  /** Downloads each upstream runs at once, by its name. */
  readonly upstreams: readonly { readonly name: string; readonly maxDownloads: number }[];
  readonly finishAbandoned: boolean;
  /** Most downloads running and waiting, of all upstreams together. Default 1000. */
  readonly maxRunning?: number;
}

/** A download in the queue of an upstream waits no longer than this, ms. */
const QUEUE_WAIT_MS = 60_000;
/** An upstream that sent wrong bytes for a blob is asked last for it, for this long, ms. */
const WRONG_BYTES_COOL_DOWN_MS = 10 * 60_000;
const MAX_COOLING = 10_000;

export function createDownloads(deps: DownloadsDeps, options: DownloadsOptions): Downloads {
  const maxRunning = options.maxRunning ?? 1000;
  const running = new Map<Sha1Hex, Download>();
  const starting = new Map<Sha1Hex, Promise<Download | undefined>>();
  const cooling = new LRUCache<string, true>({ max: MAX_COOLING, ttl: WRONG_BYTES_COOL_DOWN_MS });
  /** Blobs whose parts did not make the whole: to be fetched from one source. */
  const suspects = new LRUCache<Sha1Hex, true>({ max: MAX_COOLING, ttl: WRONG_BYTES_COOL_DOWN_MS });
  const slots = new Map<string, Slots>(
    options.upstreams.map(({ name, maxDownloads }) => [
      name,
      createSlots({ upstream: name, count: maxDownloads, waitMs: QUEUE_WAIT_MS, maxWaiting: maxRunning }),
    ]),
  );
  let endedCount = 0;
  let isClosed = false;

  function slotsOf(name: string): Slots {
    const found = slots.get(name);
    if (found === undefined) throw new MirrorError('InternalError', `no upstream is named ${name}`);
    return found;
  }

  function isCooling(source: DownloadSource, wanted: WantedBlob): boolean {
    return cooling.has(`${source.upstream.name} ${wanted.sha1}`);
  }

  /** Sources that sent wrong bytes lately come last; they are never left out. */
  function inOrder(wanted: WantedBlob): WantedBlob {
    const [cool, warm] = [true, false].map((is) => wanted.sources.filter((source) => isCooling(source, wanted) === is));
    return { ...wanted, sources: [...(warm ?? []), ...(cool ?? [])] };
  }

  /**
   * Starts the one download of a blob, or undefined if there is no room for it. Who comes while room is asked for shares
   * the answer: a herd must not reserve its blob many times over.
   */
  async function start(wanted: WantedBlob): Promise<Download | undefined> {
    if (isClosed) throw shuttingDown();
    if (running.size + starting.size >= maxRunning) {
      throw new MirrorError('DownloadQueueFull', `${running.size} downloads are running or waiting already`);
    }
    if (wanted.sources.length === 0) {
      throw new MirrorError('ServiceUnavailableError', `no configured upstream can be asked for file ${wanted.sha1}`);
    }
    const reservation = await reserve(wanted);
    if (reservation === undefined) return undefined;
    if (isClosed) {
      reservation.release();
      throw shuttingDown();
    }
    return begin(wanted, reservation);
  }

  /** A disk that cannot be asked has no room. */
  async function reserve(wanted: WantedBlob): Promise<Reservation | undefined> {
    try {
      return await deps.space.reserve(wanted.size, wanted.sha1);
    } catch (error) {
      deps.log.error({ err: error, sha1: wanted.sha1 }, 'room could not be reserved');
      return undefined;
    }
  }

  function begin(wanted: WantedBlob, reservation: Reservation): Download {
    const { sha1 } = wanted;
    const onWrongBytes = (upstreams: readonly string[]): void => {
      for (const name of upstreams) cooling.set(`${name} ${sha1}`, true);
    };
    const onEnd = (end: DownloadEnd): void => {
      running.delete(sha1);
      endedCount += 1;
      deps.onEnd(end);
      if (end.result === 'stored') suspects.delete(sha1);
      if (end.result === 'mismatch') againAfter(wanted, end);
    };
    const isWhole = suspects.has(sha1);
    const download = startDownload(
      { ...deps, slotsOf, onWrongBytes, onEnd },
      { finishAbandoned: options.finishAbandoned, isWhole },
      inOrder(wanted),
      reservation,
    );
    running.set(sha1, download);
    return download;
  }

  /**
   * After wrong bytes: the next source is tried at once, so that the next request is served right. Bytes of several
   * authors are first fetched whole from one. Ends when every source has been blamed.
   */
  function againAfter(wanted: WantedBlob, end: DownloadEnd): void {
    if (end.isMixed) suspects.set(wanted.sha1, true);
    if (!end.isMixed && wanted.sources.every((source) => isCooling(source, wanted))) return;
    const again = starting.get(wanted.sha1) ?? start(wanted).finally(() => starting.delete(wanted.sha1));
    starting.set(wanted.sha1, again);
    again.catch((error: unknown) => {
      // A request that wants the blob will say why it cannot be had.
      deps.log.debug({ err: error, sha1: wanted.sha1 }, 'no other source was tried');
    });
  }

  function followed(download: Download, cache: 'MISS' | 'JOIN'): ObtainedBlob {
    const available = download.written;
    const stored = download.ended.then(({ result }) => result === 'stored');
    const { wanted } = download;
    const rescued = rescueFromDisk(download.follow(), (prefix) => {
      deps.log.warn(
        { sha1: wanted.sha1, from: prefix.bytes, reqId: wanted.requestId },
        'the disk failed: passed through',
      );
      return startPassThrough({ ...deps, slotsOf, onEnd: deps.onPassed }, inOrder(wanted), prefix);
    });
    return {
      get cache() {
        return rescued.isPassing ? 'PASS' : cache;
      },
      available,
      stored,
      headers: rescued.headers,
      source: rescued.source,
    };
  }

  /** A store that cannot tell is no reason to say anything about the blob: it is passed through. */
  async function open(wanted: WantedBlob): Promise<OpenBlob | 'unknown' | undefined> {
    try {
      return await deps.blobs.open(wanted.sha1, wanted.size);
    } catch (error) {
      deps.log.error({ err: error, sha1: wanted.sha1 }, 'a stored blob could not be opened');
      return 'unknown';
    }
  }

  function pass(wanted: WantedBlob): ObtainedBlob {
    deps.log.warn({ sha1: wanted.sha1, size: wanted.size, reqId: wanted.requestId }, 'no room on disk: passed through');
    if (isClosed) throw shuttingDown();
    const passing = startPassThrough({ ...deps, slotsOf, onEnd: deps.onPassed }, inOrder(wanted));
    return { cache: 'PASS', available: 0, stored: Promise.resolve(false), ...passing };
  }

  return {
    async obtain(wanted) {
      if (wanted.size === 0) {
        const headers = Promise.resolve({ contentMd5: EMPTY_MD5 });
        return { cache: 'HIT', source: emptySource(wanted), available: 0, headers, stored: Promise.resolve(true) };
      }
      for (;;) {
        const current = running.get(wanted.sha1);
        if (current !== undefined && (current.isGivenUp || current.wanted.size !== wanted.size)) {
          // Either it failed with its last client and is cleaning up, or two manifests disagree on the size of these bytes
          // and one of them is wrong: neither may be joined. Who comes now begins anew when it has ended.
          await current.ended;
          continue;
        }
        if (current !== undefined) return followed(current, 'JOIN');
        const before = endedCount;
        const stored = await open(wanted);
        if (stored === 'unknown') return pass(wanted);
        if (stored !== undefined) {
          const headers = Promise.resolve({ contentMd5: stored.facts.md5 });
          const source = createStoredSource(stored);
          return { cache: 'HIT', source, available: wanted.size, headers, stored: Promise.resolve(true) };
        }
        // A download that ended while the store was asked may have stored just this blob: look again.
        if (endedCount !== before || running.has(wanted.sha1)) continue;
        const others = starting.get(wanted.sha1);
        const mine = others ?? start(wanted).finally(() => starting.delete(wanted.sha1));
        starting.set(wanted.sha1, mine);
        const download = await mine;
        if (download === undefined) return pass(wanted);
        // It may have ended already: only who started it may follow without looking again.
        if (others === undefined) return followed(download, 'MISS');
      }
    },

    progressOf: (sha1) => running.get(sha1)?.written,

    get running() {
      return running.values();
    },

    stopUnfollowed() {
      for (const download of running.values()) if (download.followers === 0) download.abort(shuttingDown());
    },

    async close() {
      isClosed = true;
      const all = [...running.values()];
      for (const download of all) download.abort(shuttingDown());
      await Promise.all(all.map((download) => download.ended));
    },
  };
}

function shuttingDown(): MirrorError {
  return new MirrorError('ShuttingDown', 'the mirror is shutting down');
}
