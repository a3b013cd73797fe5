/**
 * All running downloads, at most one per blob. `obtain` is the one way to a blob's bytes: stored, running, or begun now.
 */
import type { OpenBlob } from '../blobs/store.ts';
import type { Reservation, SpaceKeeper } from '../blobs/reservation.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { startDownload, type Download, type DownloadDeps, type DownloadEnd } from './download.ts';
import type { Priority } from '../upstream/urgency.ts';
import { createBlame } from './blame.ts';
import { EMPTY_MD5, emptySource } from './empty-file.ts';
import { createPassing, type PassedResult, type Passing } from './passing.ts';
import { rescueFromDisk } from './rescued-source.ts';
import { createSlots, type Slots } from './slots.ts';
import { createStoredSource } from './stored-source.ts';
import { beginPlainly, type AroundTransfer } from './transfer-events.ts';
import type { WantedBlob } from './wanted.ts';

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
  /** Upstream streams of what has no place on disk; several may be of one blob. */
  readonly passing: Passing['running'];
  /** Gives up the running downloads that nobody follows; their partials stay. */
  stopUnfollowed(): void;
  /** Gives up every running download and waits for them to have ended. */
  close(): Promise<void>;
}

export interface DownloadsDeps extends Omit<DownloadDeps, 'slotsOf' | 'onWrongBytes' | 'onUnfit' | 'onEnd'> {
  readonly space: SpaceKeeper;
  readonly onEnd: (end: DownloadEnd) => void;
  /** An upstream stream of a transfer without a place on disk is over. */
  readonly onPassed: (result: PassedResult) => void;
  /** A client fell behind those it shared such a stream with, and goes on with one of its own. */
  readonly onAlone: () => void;
  /** Default: nothing is put around transfers. */
  readonly around?: AroundTransfer;
}

export interface DownloadsOptions {
  /** Downloads each upstream runs at once, by its name. */
  readonly upstreams: readonly {
    readonly name: string;
    readonly maxDownloads: number;
    readonly prefetchDownloads: number;
  }[];
  readonly finishAbandoned: boolean;
  /** Most downloads running and waiting, of all upstreams together. Default 1000. */
  readonly maxRunning?: number;
}

/** A download in the queue of an upstream waits no longer than this, ms. */
const QUEUE_WAIT_MS = 60_000;

export function createDownloads(deps: DownloadsDeps, options: DownloadsOptions): Downloads {
  const maxRunning = options.maxRunning ?? 1000;
  const running = new Map<Sha1Hex, Download>();
  const starting = new Map<Sha1Hex, Promise<Download | undefined>>();
  const blame = createBlame();
  const onUnfit = (upstream: string, sha1: Sha1Hex): void => blame.add(sha1, [upstream]);
  const passing = createPassing({ ...deps, slotsOf, onUnfit, blame });
  const slots = new Map<string, Slots>(
    options.upstreams.map(({ name, maxDownloads, prefetchDownloads }) => [
      name,
      createSlots({
        upstream: name,
        count: maxDownloads,
        prefetchCount: prefetchDownloads,
        waitMs: QUEUE_WAIT_MS,
        maxWaiting: maxRunning,
      }),
    ]),
  );
  let endedCount = 0;
  let isClosed = false;

  function slotsOf(name: string): Slots {
    const found = slots.get(name);
    if (found === undefined) throw new MirrorError('InternalError', `no upstream is named ${name}`);
    return found;
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
      blame.add(sha1, upstreams);
      if (!blame.isOnAll(wanted)) for (const name of upstreams) deps.events.onFailover(name);
    };
    const onEnd = (end: DownloadEnd): void => {
      running.delete(sha1);
      endedCount += 1;
      deps.onEnd(end);
      if (end.result === 'stored') blame.clearSuspicion(sha1);
      if (end.result === 'mismatch') againAfter({ ...wanted, priority: download.priority }, end);
    };
    const isWhole = blame.isSuspect(sha1);
    const { around = beginPlainly } = deps;
    const download = around('download', wanted, () =>
      startDownload(
        { ...deps, slotsOf, onUnfit, onWrongBytes, onEnd },
        { finishAbandoned: options.finishAbandoned, isWhole },
        blame.inOrder(wanted),
        reservation,
      ),
    );
    running.set(sha1, download);
    return download;
  }

  /**
   * After wrong bytes: the next source is tried at once, so that the next request is served right. Bytes of several
   * authors are first fetched whole from one. Ends when every source has been blamed.
   */
  function againAfter(wanted: WantedBlob, end: DownloadEnd): void {
    if (end.isMixed) blame.suspect(wanted.sha1);
    if (!end.isMixed && blame.isOnAll(wanted)) return;
    const again = starting.get(wanted.sha1) ?? start(wanted).finally(() => starting.delete(wanted.sha1));
    starting.set(wanted.sha1, again);
    again.catch((error: unknown) => {
      // A request that wants the blob will say why it cannot be had.
      deps.log.debug({ err: error, sha1: wanted.sha1 }, 'no other source was tried');
    });
  }

  function followed(download: Download, cache: 'MISS' | 'JOIN', priority: Priority = 'demand'): ObtainedBlob {
    const available = download.written;
    const stored = download.ended.then(({ result }) => result === 'stored');
    // Nobody waits for the bytes of a prefetch: if the disk fails it fails.
    if (priority === 'prefetch') {
      const { headers, source } = download.follow();
      return { cache, available, stored, headers, source };
    }
    download.upgrade();
    const { sha1, requestId: reqId } = download.wanted;
    const rescued = rescueFromDisk(download.follow(), passing, (from) => {
      deps.log.warn({ sha1, from, reqId }, 'the disk failed: passed through');
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

  /** `why` there is no place on disk for it. */
  function pass(wanted: WantedBlob, why: string): ObtainedBlob {
    const { sha1, size, requestId: reqId } = wanted;
    if (wanted.priority === 'prefetch') {
      throw new MirrorError('StorageFailed', `${why}: the ${size} bytes of ${sha1} cannot be kept`);
    }
    deps.log.warn({ sha1, size, reqId }, `${why}: passed through`);
    if (isClosed) throw shuttingDown();
    return { cache: 'PASS', available: 0, stored: Promise.resolve(false), ...passing.join(wanted) };
  }

  return {
    async obtain(wanted) {
      if (wanted.size === 0) {
        const headers = Promise.resolve({ contentMd5: EMPTY_MD5 });
        return { cache: 'HIT', source: emptySource(wanted), available: 0, headers, stored: Promise.resolve(true) };
      }
      for (;;) {
        const current = running.get(wanted.sha1);
        if (current?.isGivenUp === true) {
          // It has failed and is cleaning up, which waits for nobody: who comes now begins anew after it.
          await current.ended;
          continue;
        }
        // Two manifests disagree on the size of these bytes: one of them is wrong, and its upstream alone can tell. It is
        // asked now, beside the download: that may take hours.
        if (current !== undefined && current.wanted.size !== wanted.size)
          return pass(wanted, 'another size is on its way');
        if (current !== undefined) return followed(current, 'JOIN', wanted.priority);
        const before = endedCount;
        const stored = await open(wanted);
        if (stored === 'unknown') return pass(wanted, 'the store cannot tell');
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
        if (download === undefined) return pass(wanted, 'no room on disk');
        // It may have ended already: only who started it may follow without looking again.
        if (others === undefined) return followed(download, 'MISS', wanted.priority);
      }
    },

    progressOf: (sha1) => running.get(sha1)?.written,

    get running() {
      return running.values();
    },

    get passing() {
      return passing.running;
    },

    stopUnfollowed() {
      for (const download of running.values()) if (download.followers === 0) download.abort(shuttingDown());
    },

    async close() {
      isClosed = true;
      const all = [...running.values()];
      for (const download of all) download.abort(shuttingDown());
      await Promise.all([...all.map((download) => download.ended), passing.close()]);
    },
  };
}

function shuttingDown(): MirrorError {
  return new MirrorError('ShuttingDown', 'the mirror is shutting down');
}
