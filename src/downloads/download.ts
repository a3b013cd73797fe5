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
import { announcedMd5 } from './announced-md5.ts';
import type { ByteSource } from './byte-source.ts';
import { createFileWriter } from './file-writer.ts';
import { createGrowingFile, type GrowingFile } from './growing-file.ts';
import { createTarget, transferBlob, type TransferDeps } from './transfer.ts';
import type { WantedBlob } from './wanted.ts';

/** How a download ended. `mismatch`: the bytes were not what the manifest says. */
export type DownloadResult = 'stored' | 'unstored' | 'mismatch' | 'failed' | 'aborted';

/** Every result, for priming metrics. */
export const DOWNLOAD_RESULTS: readonly DownloadResult[] = ['stored', 'unstored', 'mismatch', 'failed', 'aborted'];

export interface DownloadEnd {
  readonly result: DownloadResult;
  readonly seconds: number;
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
  /** Resolves when headers may be sent; rejects with the error to answer when every source has failed. */
  readonly headers: Promise<DownloadHeaders>;
  readonly source: ByteSource;
}

export interface Download {
  readonly wanted: WantedBlob;
  /** Bytes on disk. */
  readonly written: number;
  readonly followers: number;
  /** True once it was aborted: it will fail, and must not be joined. */
  readonly isGivenUp: boolean;
  /** Settles, never rejects, when the file is in place or given up and nothing of the download is left to do. */
  readonly ended: Promise<DownloadEnd>;
  follow(): FollowedDownload;
  /** Gives up: followers fail, the partial goes. */
  abort(reason: MirrorError): void;
}

export interface DownloadOptions {
  /** False: a download whose last follower has left is given up. */
  readonly finishAbandoned: boolean;
}

/** Takes over the reservation and releases it at the end. */
export function startDownload(
  deps: DownloadDeps,
  options: DownloadOptions,
  wanted: WantedBlob,
  reservation: Reservation,
): Download {
  const abort = new AbortController();
  const headers = Promise.withResolvers<DownloadHeaders>();
  // Nobody may be waiting for them any more when they fail.
  headers.promise.catch(() => {});
  const contributors = new Set<string>();
  let announced: string | undefined;
  let isAnswered = false;
  let handle: FileHandle | undefined;
  let isOver = false;

  const file: GrowingFile = createGrowingFile({
    size: wanted.size,
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
      const failure = toClientError(error);
      headers.reject(failure);
      file.fail(failure);
      const result = abort.signal.aborted ? 'aborted' : 'failed';
      deps.log.error(
        { err: error, sha1: wanted.sha1, written: file.written, reqId: wanted.requestId },
        'download failed',
      );
      return end(result);
    },
  );

  function end(result: DownloadResult): DownloadEnd {
    isOver = true;
    const seconds = (deps.now() - startedAt) / 1000;
    // First out of the registry, then close: nobody can join a download whose descriptor is gone.
    deps.onEnd({ result, seconds });
    if (file.followers === 0) closeHandle();
    if (result === 'stored') {
      const { sha1, size, requestId: reqId } = wanted;
      deps.log.info({ sha1, size, seconds, upstreams: [...contributors], reqId }, 'download stored');
    }
    return { result, seconds };
  }

  async function run(): Promise<DownloadResult> {
    try {
      const partial = await deps.blobs.createPartial(wanted.sha1);
      handle = partial.handle;
      file.attach(handle);
      try {
        return await fill(partial);
      } catch (error) {
        await discard(partial);
        throw error;
      }
    } finally {
      reservation.release();
    }
  }

  async function fill(partial: PartialFile): Promise<DownloadResult> {
    const job = deps.digester.start(partial.path);
    try {
      const writer = createFileWriter({
        handle: partial.handle,
        position: 0,
        onWritten(to) {
          job.advance(to);
          reservation.consumed(to);
          file.grow(to);
        },
      });
      const target = createTarget(writer, (source, stream) => {
        contributors.add(source.upstream.name);
        // The first answer's word holds for all followers, whoever sends the rest.
        if (!isAnswered) announced = announcedMd5(stream.contentMd5);
        isAnswered = true;
        headers.resolve({ contentMd5: announced });
      });
      await transferBlob(deps, wanted, target, abort.signal);
      await writer.flush();
      const digests = await job.finish(wanted.size);
      if (digests.sha1 !== wanted.sha1) return await reject(partial, digests.sha1);
      return await accept(partial, { md5: digests.md5, sha256: digests.sha256 });
    } finally {
      job.cancel();
    }
  }

  async function reject(partial: PartialFile, found: string): Promise<DownloadResult> {
    const { sha1, size } = wanted;
    const upstreams = [...contributors];
    const error = new MirrorError('DownloadFailed', `the bytes of ${upstreams.join(', ')} do not have SHA-1 ${sha1}`);
    deps.log.error({ sha1, found, size, upstreams, reqId: wanted.requestId }, 'SHA-1 mismatch, quarantined');
    deps.onWrongBytes(upstreams);
    file.fail(error);
    await partial.quarantine({ why: 'sha1 mismatch', expected: sha1, found, size, upstreams });
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
      result = 'unstored';
    }
    if (announced !== undefined && announced !== digests.md5) {
      const { requestId: reqId } = wanted;
      deps.log.error({ sha1, announced, md5: digests.md5, source, reqId }, 'upstream sent a wrong Content-MD5');
      // Clients were told that MD5 in their headers: a clean end would be a lie. The blob itself is right.
      file.fail(new MirrorError('DownloadFailed', `${source} sent a wrong Content-MD5 for ${sha1}`));
    } else {
      file.complete();
    }
    return result;
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
    get isGivenUp() {
      return abort.signal.aborted;
    },
    ended,
    follow: () => ({ headers: headers.promise, source: file.follow() }),
    abort: (reason) => abort.abort(reason),
  };
}

/** What a client is told: a MirrorError as it is, anything else without the inside of this machine. */
function toClientError(error: unknown): MirrorError {
  if (error instanceof MirrorError) return error;
  return new MirrorError('DownloadFailed', 'the file could not be downloaded', { cause: error });
}
