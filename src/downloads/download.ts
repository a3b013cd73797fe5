/**
 * One blob on its way from upstreams to disk: one upstream stream, however many follow it. It owns the partial, the
 * hashing and the verdict; followers only read.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Digester } from '../blobs/digester.ts';
import type { Reservation } from '../blobs/reservation.ts';
import type { BlobStore, PartialFile } from '../blobs/store.ts';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { FileStream } from '../upstream/upstream.ts';
import { createUrgency, type Priority } from '../upstream/urgency.ts';
import { announcedMd5 } from './announced-md5.ts';
import type { ByteSource } from './byte-source.ts';
import { createFileWriter, type FileWriter } from './file-writer.ts';
import { createGrowingFile, type GrowingFile } from './growing-file.ts';
import { isDiskFailure, isStorageFailure, toFollowerError } from './storage-failure.ts';
import { createTarget, transferBlob, type TransferDeps, type TransferTarget } from './transfer.ts';
import { createSourceValidators, type SourceValidators } from './validators.ts';
import type { DownloadSource, WantedBlob } from './wanted.ts';

/**
 * How a download ended. `disk`: this machine's disk failed, its clients are served all the same; `mismatch`: the bytes were not
 * what the manifest says; `absent`: no source has the file it lists.
 */
export type DownloadResult = 'stored' | 'disk' | 'mismatch' | 'failed' | 'absent' | 'aborted';

/** Every result, for priming metrics. */
export const DOWNLOAD_RESULTS: readonly DownloadResult[] = [
  'stored',
  'disk',
  'mismatch',
  'failed',
  'absent',
  'aborted',
];

export interface DownloadEnd {
  readonly result: DownloadResult;
  readonly seconds: number;
  /** Its bytes came from more than one transfer: with a mismatch nobody is to blame yet. */
  readonly isMixed: boolean;
  /** Why no more came, as followers are told it; undefined where the result says all. */
  readonly failure?: MirrorError;
}

export interface DownloadDeps extends TransferDeps {
  readonly blobs: BlobStore;
  readonly digester: Digester;
  readonly log: Log;
  readonly now: () => number;
  /** The bytes of these upstreams were wrong: ask them last for this blob, for a while. */
  readonly onWrongBytes: (upstreams: readonly string[]) => void;
  /** Runs in the same turn in which the download stops taking followers. */
  readonly onEnd: (end: DownloadEnd) => void;
}

/** What is known once the first source has answered with the right length. */
export interface DownloadHeaders {
  /** base64, as the first source said; undefined where it gave none. */
  readonly contentMd5: string | undefined;
}

/** A follower's hold on a download. */
export interface FollowedDownload {
  readonly wanted: WantedBlob;
  /** Bytes on disk. */
  readonly written: number;
  /** True once no follower gets anything more from `source`. */
  readonly isFailed: boolean;
  /** Resolves when headers may be sent; rejects with the error to answer when every source has failed. */
  readonly headers: Promise<DownloadHeaders>;
  readonly source: ByteSource;
  /** Reads what is on disk already, also after a failure, until the source is closed. */
  readWritten(buffer: Buffer, position: number, length: number): Promise<number>;
}

export interface Download {
  readonly wanted: WantedBlob;
  /** Bytes on disk. */
  readonly written: number;
  readonly followers: number;
  /** `prefetch` until a client has joined. */
  readonly priority: Priority;
  /** True once it was aborted or its bytes were found wrong: it must not be joined, and is over soon. */
  readonly isGivenUp: boolean;
  /** Settles, never rejects, when the file is in place or given up and nothing of the download is left to do. */
  readonly ended: Promise<DownloadEnd>;
  follow(): FollowedDownload;
  /** A client waits for it from now on: it goes before prefetches. */
  upgrade(): void;
  /** Gives up: followers fail, the partial stays for a later download. */
  abort(reason: MirrorError): void;
}

export interface DownloadOptions {
  /** False: a download whose last follower has left is given up. */
  readonly finishAbandoned: boolean;
  /** True: begins anew, from one source alone, so that wrong bytes have one author. */
  readonly isWhole: boolean;
}

/** A smaller file is fetched anew sooner than its note is read. */
const NOTED_FROM_BYTES = 1024 * 1024;

/** Takes over the reservation and releases it at the end. */
export function startDownload(
  deps: DownloadDeps,
  options: DownloadOptions,
  wanted: WantedBlob,
  reservation: Reservation,
): Download {
  const abort = new AbortController();
  const urgency = createUrgency(wanted.priority ?? 'demand');
  const headers = Promise.withResolvers<DownloadHeaders>();
  // Nobody may be waiting for them any more when they fail.
  headers.promise.catch(() => {});
  const contributors = new Set<string>();
  let isMixed = false;
  let announced: string | undefined;
  let validators: SourceValidators = createSourceValidators();
  let isAnswered = false;
  let noting: Promise<void> = Promise.resolve();
  let handle: FileHandle | undefined;
  let partialFile: PartialFile | undefined;
  let isOver = false;

  const file: GrowingFile = createGrowingFile({
    size: wanted.size,
    isRotten: () => partialFile?.isRotten() === true,
    onEmpty() {
      if (isOver) closeHandle();
      else if (!options.finishAbandoned) abort.abort(new MirrorError('DownloadFailed', 'every client has left'));
    },
  });

  function closeHandle(): void {
    // The bytes are synced or unwanted by now: nothing is lost when closing fails.
    handle
      ?.close()
      .catch((error: unknown) => deps.log.warn({ err: error, sha1: wanted.sha1 }, 'could not close a partial'));
    handle = undefined;
  }

  const startedAt = deps.now();
  const ended = run().then(
    (result): DownloadEnd => end(result),
    (error: unknown): DownloadEnd => {
      const failure = toFollowerError(error);
      headers.reject(failure);
      file.fail(failure);
      const result = resultOf(error);
      const line = { err: error, sha1: wanted.sha1, written: file.written, reqId: wanted.requestId };
      if (result === 'aborted') deps.log.info(line, 'download given up');
      else deps.log.error(line, result === 'disk' ? 'download could not be stored' : 'download failed');
      return { ...end(result), failure };
    },
  );

  function resultOf(error: unknown): DownloadResult {
    if (abort.signal.aborted) return 'aborted';
    if (isDiskFailure(error)) return 'disk';
    return error instanceof MirrorError && error.isMeant ? 'absent' : 'failed';
  }

  function end(result: DownloadResult): DownloadEnd {
    isOver = true;
    const seconds = (deps.now() - startedAt) / 1000;
    // First out of the registry, then close: nobody can join a download whose descriptor is gone.
    deps.onEnd({ result, seconds, isMixed: isMixed && !options.isWhole });
    if (file.followers === 0) closeHandle();
    if (result === 'stored') {
      const { sha1, size, requestId: reqId } = wanted;
      deps.log.info({ sha1, size, seconds, upstreams: [...contributors], reqId }, 'download stored');
    }
    return { result, seconds, isMixed: isMixed && !options.isWhole };
  }

  async function run(): Promise<DownloadResult> {
    try {
      const { blobs } = deps;
      const partial = await (options.isWhole ? blobs.createPartial(wanted.sha1) : blobs.resumePartial(wanted.sha1));
      handle = partial.handle;
      partialFile = partial;
      file.attach(handle);
      try {
        return await fill(partial);
      } catch (error) {
        await leave(partial, error);
        throw error;
      }
    } finally {
      reservation.release();
    }
  }

  async function fill(partial: PartialFile): Promise<DownloadResult> {
    const existing = await usableBytes(partial);
    if (existing > 0) {
      note(partial.note?.upstreams ?? ['an earlier run']);
      validators = createSourceValidators(partial.note?.validators);
      deps.events.onResume('partial', existing);
    }
    isMixed = existing > 0;
    const job = deps.digester.start(partial.path);
    try {
      const onWritten = (to: number): void => {
        job.advance(to);
        reservation.consumed(to);
        file.grow(to);
      };
      onWritten(existing);
      const writer = createFileWriter({ handle: partial.handle, position: existing, onWritten });
      const target = createTarget(writer, existing, (source, stream) => onAnswer(partial, source, stream));
      if (existing < wanted.size || existing === 0) {
        await bring(writer, target);
      } else {
        announced = announcedMd5(partial.note?.contentMd5);
        headers.resolve({ contentMd5: announced });
      }
      const digests = await job.finish(wanted.size);
      // A note that is written after the file has its place would lie there for ever.
      await noting;
      if (digests.sha1 !== wanted.sha1) return await reject(partial, digests.sha1);
      return await accept(partial, { md5: digests.md5, sha256: digests.sha256 });
    } finally {
      job.cancel();
    }
  }

  async function bring(writer: FileWriter, target: TransferTarget): Promise<void> {
    try {
      const { signal } = abort;
      await transferBlob(deps, wanted, target, { signal, isSingleSource: options.isWhole, urgency, validators });
    } catch (error) {
      // Whatever came is written before the partial is left; a full disk has been told of already.
      await writer.flush().catch(() => {});
      throw error;
    }
    await writer.flush();
  }

  /** What an earlier download has left, if it can be part of this blob. */
  async function usableBytes(partial: PartialFile): Promise<number> {
    if (partial.existingBytes <= wanted.size) return partial.existingBytes;
    await partial.handle.truncate(0);
    return 0;
  }

  function onAnswer(partial: PartialFile, source: DownloadSource, stream: FileStream): void {
    note([source.upstream.name]);
    if (isAnswered) {
      isMixed = true;
    } else {
      // The MD5 of a part says nothing about the whole: what was noted of the earlier answer holds then.
      announced = announcedMd5(stream.start === 0 ? stream.contentMd5 : partial.note?.contentMd5);
    }
    if (wanted.size >= NOTED_FROM_BYTES) noting = saveNote(partial);
    isAnswered = true;
    headers.resolve({ contentMd5: announced });
  }

  async function saveNote(partial: PartialFile): Promise<void> {
    const before = noting;
    const contentMd5 = announced === undefined ? {} : { contentMd5: announced };
    const all = { ...contentMd5, upstreams: [...contributors], validators: validators.all() };
    await before;
    try {
      await partial.saveNote(all);
    } catch (error) {
      // Only the MD5 for clients after a restart is lost with it, and what the next part is compared with.
      deps.log.debug({ err: error, sha1: wanted.sha1 }, 'a partial could not be noted');
    }
  }

  function note(upstreams: readonly string[]): void {
    for (const name of upstreams) contributors.add(name);
    if (contributors.size > 1) isMixed = true;
  }

  async function reject(partial: PartialFile, found: string): Promise<DownloadResult> {
    const { sha1, size } = wanted;
    const upstreams = [...contributors];
    deps.events.onChecked('sha1');
    const error = new MirrorError('DownloadFailed', `the bytes of ${upstreams.join(', ')} do not have SHA-1 ${sha1}`);
    deps.log.error({ sha1, found, size, upstreams, isMixed, reqId: wanted.requestId }, 'SHA-1 mismatch, quarantined');
    // Of bytes that came in parts nobody knows whose were wrong: they are fetched whole before anyone is blamed.
    if (!isMixed || options.isWhole) deps.onWrongBytes(upstreams);
    file.fail(error);
    try {
      await partial.quarantine({ why: 'sha1 mismatch', expected: sha1, found, size, upstreams, isMixed });
    } catch (failure) {
      // They were wrong all the same; nobody but who would look at them misses them.
      deps.log.warn({ err: failure, path: partial.path }, 'wrong bytes could not be quarantined');
      await discard(partial);
    }
    return 'mismatch';
  }

  async function accept(partial: PartialFile, digests: { md5: string; sha256: string }): Promise<DownloadResult> {
    const { sha1, size } = wanted;
    const source = [...contributors].join(',');
    let result: DownloadResult = 'stored';
    try {
      await partial.commit({ sha1, size, ...digests, source, arrivedAt: new Date(deps.now()).toISOString() });
    } catch (error) {
      // The bytes are right and the followers shall have them; only keeping them has failed.
      deps.log.error({ err: error, sha1, reqId: wanted.requestId }, 'download could not be stored');
      await discard(partial);
      result = 'disk';
    }
    if (announced !== undefined && announced !== digests.md5) {
      const { requestId: reqId } = wanted;
      deps.events.onChecked('md5');
      deps.log.error({ sha1, announced, md5: digests.md5, source, reqId }, 'upstream sent a wrong Content-MD5');
      // Clients were told that MD5 in their headers: a clean end would be a lie. The blob itself is right.
      file.fail(new MirrorError('DownloadFailed', `${source} sent a wrong Content-MD5 for ${sha1}`));
    } else {
      deps.events.onChecked('right');
      file.complete();
    }
    return result;
  }

  /** What came is kept for the next attempt, unless it is the disk itself that failed. */
  async function leave(partial: PartialFile, error: unknown): Promise<void> {
    await noting;
    if (isStorageFailure(error) || file.written === 0 || options.isWhole) {
      await discard(partial);
      return;
    }
    await partial.keep().catch((failure: unknown) => {
      deps.log.warn({ err: failure, path: partial.path }, 'could not let go of a partial');
    });
  }

  async function discard(partial: PartialFile): Promise<void> {
    await partial.discard().catch((error: unknown) => {
      deps.log.warn({ err: error, path: partial.path }, 'could not remove a partial');
    });
  }

  return {
    wanted,
    get written() {
      return file.written;
    },
    get followers() {
      return file.followers;
    },
    get priority() {
      return urgency.priority;
    },
    get isGivenUp() {
      return abort.signal.aborted || file.isFailed;
    },
    ended,
    follow: () => ({
      wanted,
      get written() {
        return file.written;
      },
      get isFailed() {
        return file.isFailed;
      },
      headers: headers.promise,
      source: file.follow(),
      async readWritten(buffer, position, length) {
        if (handle === undefined) throw new MirrorError('StorageFailed', 'the partial is closed');
        const { bytesRead } = await handle.read(buffer, 0, Math.min(length, file.written - position), position);
        return bytesRead;
      },
    }),
    upgrade: () => urgency.upgrade(),
    abort: (reason) => abort.abort(reason),
  };
}
