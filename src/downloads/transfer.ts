/**
 * Brings the bytes of one blob to a writer, from whichever source can give them. An interrupted transfer goes on where
 * it stopped: by Range where the source honours it, by skipping over a 200 where it does not (or answers a range with what
 * does not fit, or with a part of another version), on the next source when one has failed three times without a new byte.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { FileStream } from '../upstream/upstream.ts';
import { reasonOf, unavailable } from '../upstream/unavailable.ts';
import type { Urgency } from '../upstream/urgency.ts';
import type { Log } from '../config/log.ts';
import type { FileWriter } from './file-writer.ts';
import type { Slots } from './slots.ts';
import type { TransferEvents } from './transfer-events.ts';
import { createSourceValidators, type SourceValidators } from './validators.ts';
import type { DownloadSource, WantedBlob } from './wanted.ts';

export interface TransferDeps {
  readonly log: Log;
  /** The slots of an upstream, by its name. */
  readonly slotsOf: (upstream: string) => Slots;
  /** A number in [0, 1) for the jitter of backoff. */
  readonly random: () => number;
  /** This upstream does not have the blob it lists, or another length of it. */
  readonly onUnfit: (upstream: string, sha1: Sha1Hex) => void;
  readonly events: TransferEvents;
}

export interface TransferTarget {
  /** Bytes received so far, written or about to be: where the next attempt goes on. */
  readonly received: number;
  receive(chunk: Buffer): Promise<void>;
  /** A source has answered with the right length. */
  onHeaders(source: DownloadSource, stream: FileStream): void;
}

export interface TransferOptions {
  readonly signal: AbortSignal;
  /** True: a transfer that has begun is finished by the source that began it, or not at all. */
  readonly isSingleSource: boolean;
  /** Default: a client waits for it. */
  readonly urgency?: Urgency;
  /** Of the bytes that are there already, and kept up to date. Default: nothing is known of them. */
  readonly validators?: SourceValidators;
  /**
   * True once somebody has headers of it: a slot of the last source that is left is waited for as long as it takes. Default: it
   * never is.
   */
  readonly isPatient?: () => boolean;
}

/** Attempts per source that bring no new byte, then the next source. */
const ATTEMPTS_WITHOUT_PROGRESS = 3;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 5_000;
const RANGE_NOT_SATISFIABLE = 416;
const NOT_FOUND = 404;

/**
 * Resolves when all bytes have been received. Throws the last source's error when every source has failed, and the
 * writer's own error (a full disk) as it is.
 */
export async function transferBlob(
  deps: TransferDeps,
  wanted: WantedBlob,
  target: TransferTarget,
  options: TransferOptions,
): Promise<void> {
  const { signal, validators = createSourceValidators() } = options;
  const queue = wanted.sources.map((source) => ({ source, failures: 0, isRangeRefused: false }));
  let last: unknown;
  let isAbsent = true;
  for (let next = queue[0]; next !== undefined; next = queue[0]) {
    const { source } = next;
    const before = target.received;
    try {
      const isPatient = queue.length === 1 && options.isPatient?.() === true;
      const offset = next.isRangeRefused ? 0 : before;
      await attempt(deps, wanted, source, { offset, validators, isPatient }, target, options);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MirrorError)) throw error;
      // All of it had come: how the connection ended is of no interest, the SHA-1 decides.
      if (wanted.size > 0 && target.received === wanted.size && reasonOf(error) !== 'body') return;
      last = error;
      isAbsent &&= error.details['status'] === NOT_FOUND;
      const { received } = target;
      const { requestId: reqId, sha1 } = wanted;
      deps.log.warn(
        { err: error, upstream: source.upstream.name, sha1, received, reqId },
        'attempt to download failed',
      );
      const hasProgressed = received > before;
      next.failures = hasProgressed ? 0 : next.failures + 1;
      if (reasonOf(error) === 'timeout') deps.events.onStall(source.upstream.name);
      if (before > 0 && !hasProgressed && !next.isRangeRefused && isAboutRange(error)) {
        // It may have the whole all the same: it is asked for that at once, and what is there already is skipped.
        next.isRangeRefused = true;
      } else if (isFinal(error) || next.failures >= ATTEMPTS_WITHOUT_PROGRESS) {
        queue.shift();
        // Another source's bytes behind this one's would hide whose are wrong.
        if (options.isSingleSource && received > 0) break;
      } else if (reasonOf(error) === 'timeout' && !hasProgressed && queue.length > 1 && !options.isSingleSource) {
        // It says nothing at all: the others are asked before it is waited for again.
        queue.push(...queue.splice(0, 1));
      } else {
        await backOff(deps, next.failures, signal);
      }
      if (queue[0] !== undefined && queue[0] !== next) deps.events.onFailover(source.upstream.name);
    }
  }
  throw isAbsent && last instanceof MirrorError ? fileIsAbsent(last) : last;
}

async function backOff(deps: TransferDeps, failures: number, signal: AbortSignal): Promise<void> {
  const backoffMs = Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** Math.max(0, failures - 1));
  // Woken early only by the abort, whose reason the next turn throws.
  await sleep(backoffMs * (0.5 + deps.random() / 2), undefined, { signal }).catch(() => signal.throwIfAborted());
}

async function attempt(
  deps: TransferDeps,
  wanted: WantedBlob,
  source: DownloadSource,
  { offset, validators, isPatient }: { offset: number; validators: SourceValidators; isPatient: boolean },
  target: TransferTarget,
  { signal, urgency }: TransferOptions,
): Promise<void> {
  const { upstream } = source;
  const release = await deps.slotsOf(upstream.name).take(signal, urgency, isPatient);
  try {
    const answer = await upstream.file({
      uuid: source.uuid,
      index: source.index,
      channel: source.channel,
      offset,
      requestId: wanted.requestId,
      signal,
      ...(urgency === undefined ? {} : { urgency }),
    });
    if (answer.kind === 'absent') {
      deps.onUnfit(upstream.name, wanted.sha1);
      throw unavailable(upstream.name, 'status', `has no file ${source.index} of image ${source.uuid}`, {
        status: NOT_FOUND,
      });
    }
    const { stream } = answer;
    try {
      if (stream.totalSize !== undefined && stream.totalSize !== wanted.size) {
        const text = `offers ${stream.totalSize} bytes, the manifest says ${wanted.size}`;
        // Of a part this is said beside the bytes: what the file's size is shows when all of it is asked for.
        if (stream.start > 0) throw unavailable(upstream.name, 'body', text);
        throw wrongSize(deps, upstream.name, wanted.sha1, text);
      }
      const changed = stream.start > 0 ? validators.changed(source, stream) : undefined;
      if (changed !== undefined) {
        const text = `went on from byte ${stream.start} with another ${changed} than it began with`;
        throw unavailable(upstream.name, 'body', text);
      }
      validators.take(source, stream);
      const { received } = target;
      if (received > 0) deps.events.onResume(stream.start > 0 ? 'range' : 'skip', received);
      target.onHeaders(source, stream);
      await receiveBody(deps, upstream.name, stream, wanted, target);
    } finally {
      stream.cancel();
    }
  } finally {
    release();
  }
}

/** Every source says so: no trouble that trying again or an operator of this mirror could mend. */
function fileIsAbsent({ code, message, details }: MirrorError): MirrorError {
  return new MirrorError(code, message, { details, isMeant: true });
}

/** Another length than the manifest's: counted, and the upstream's blob is of no use. */
function wrongSize(deps: TransferDeps, name: string, sha1: Sha1Hex, text: string): MirrorError {
  deps.events.onChecked('size');
  deps.onUnfit(name, sha1);
  return unavailable(name, 'body', text);
}

async function receiveBody(
  deps: TransferDeps,
  name: string,
  stream: FileStream,
  wanted: WantedBlob,
  target: TransferTarget,
): Promise<void> {
  const { size, sha1 } = wanted;
  let at = stream.start;
  for await (const chunk of stream.body) {
    const skip = Math.max(0, Math.min(chunk.length, target.received - at));
    at += chunk.length;
    if (at > size) throw wrongSize(deps, name, sha1, `sent more than the ${size} bytes the manifest says`);
    if (skip < chunk.length) await target.receive(skip === 0 ? chunk : chunk.subarray(skip));
  }
  if (at < size) throw unavailable(name, 'connect', `ended at byte ${at} of ${size}`);
}

/** True where trying the same source again at once cannot help: it refused, or what it offers does not fit. */
function isFinal(error: MirrorError): boolean {
  if (error.code !== 'UpstreamUnavailable') return true;
  const { status } = error.details;
  const reason = reasonOf(error);
  return reason === 'body' || (reason === 'status' && typeof status === 'number' && status < 500 && status !== 429);
}

/** True where it is the range that it refuses, or answers with something that does not fit. */
function isAboutRange(error: MirrorError): boolean {
  const reason = reasonOf(error);
  return reason === 'body' || (reason === 'status' && error.details['status'] === RANGE_NOT_SATISFIABLE);
}

/** Adapts a writer to what a transfer needs, and knows how much has come: `existing` bytes before it began. */
export function createTarget(
  writer: FileWriter,
  existing: number,
  onHeaders: TransferTarget['onHeaders'],
): TransferTarget {
  let received = existing;
  return {
    get received() {
      return received;
    },
    async receive(chunk) {
      received += chunk.length;
      await writer.append(chunk);
    },
    onHeaders,
  };
}
