/**
 * A thread that hashes bytes which lie in one file or go on in the next (a bundle's volumes), and which may still be on
 * their way; or which it brings there itself. It reads what it hashes from the page cache, like the digester of the downloads, and for
 * the same reasons. That it copies too, with calls that block, saves a busy machine some waking up for each piece.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { Algorithm, OpenSpan, SpanDigests, SpanReply, SpanRequest } from './span-messages.ts';
import { SpanRow } from './span-row.ts';

// Stays in the second-level cache from the copying to the last hash (measured for the digester of the downloads).
const BUFFER_BYTES = 256 * 1024;
// About 10 ms: then the messages are read, and the next job has its turn.
const TURN_BYTES = 8 * 1024 * 1024;

interface Job {
  readonly id: number;
  readonly row: SpanRow;
  readonly hashes: readonly (readonly [Algorithm, Hash])[];
  /** What is copied before it is hashed, but for the `existing` first bytes. */
  readonly source: SpanRow | undefined;
  readonly existing: number;
  /** Bytes hashed. */
  at: number;
  /** Bytes known to be there, or to be copied. */
  upTo: number;
}

const port = parentPort;
if (port === null) throw new Error('span-worker runs as a worker thread only');

const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const jobs = new Map<number, Job>();
/** Jobs with something to do, in the order of their turns. */
const ready = new Set<Job>();
let isTurnScheduled = false;

port.on('message', (request: SpanRequest) => {
  if (request.type === 'start') {
    const { id, spans, algorithms, copy } = request;
    const hashes = algorithms.map((algorithm) => [algorithm, createHash(algorithm)] as const);
    const row = new SpanRow(spans, copy === undefined ? 'r' : 'r+');
    const source = copy === undefined ? undefined : new SpanRow(skipped(copy.spans, copy.existing), 'r');
    const job: Job = { id, row, hashes, source, existing: copy?.existing ?? 0, at: 0, upTo: 0 };
    jobs.set(id, job);
    // Nothing to wait for.
    if (row.totalBytes === 0) ready.add(job);
  } else {
    const job = jobs.get(request.id);
    if (request.type === 'cancel') {
      if (job !== undefined) drop(job);
      return reply({ id: request.id, isCancelled: true });
    }
    // It has failed, and has said so.
    if (job === undefined) return;
    job.upTo = Math.min(job.row.totalBytes, Math.max(job.upTo, request.upTo));
    ready.add(job);
  }
  scheduleTurn();
});

function scheduleTurn(): void {
  if (isTurnScheduled || ready.size === 0) return;
  isTurnScheduled = true;
  // Not a loop: messages (an advance, a cancel, a new job) are taken in between.
  setImmediate(() => {
    isTurnScheduled = false;
    const [job] = ready;
    if (job !== undefined) takeTurn(job);
    scheduleTurn();
  });
}

function takeTurn(job: Job): void {
  // Taken out, and put back at the end of the line if there is more to do.
  ready.delete(job);
  try {
    const stopAt = Math.min(job.upTo, job.at + TURN_BYTES);
    while (job.at < stopAt) hashOneBuffer(job, stopAt);
  } catch (error) {
    drop(job);
    const message = error instanceof Error ? error.message : String(error);
    const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
    reply({ id: job.id, error: message, errno });
    return;
  }
  if (job.at === job.row.totalBytes) {
    drop(job);
    reply({ id: job.id, digests: digestsOf(job) });
    return;
  }
  reply({ id: job.id, at: job.at });
  if (job.at < job.upTo) ready.add(job);
}

function hashOneBuffer(job: Job, stopAt: number): void {
  const { row, at } = job;
  let length = Math.min(BUFFER_BYTES, stopAt - at);
  if (at < job.existing) length = Math.min(length, job.existing - at);
  else if (job.source !== undefined) length = copyOneBuffer(job.source, row, at, length, job.existing);
  // Read again where it was copied: it is what lies there that is hashed.
  const got = row.read(buffer, at, length);
  const bytes = got === BUFFER_BYTES ? buffer : buffer.subarray(0, got);
  for (const [, hash] of job.hashes) hash.update(bytes);
  job.at += got;
}

function copyOneBuffer(source: SpanRow, row: SpanRow, at: number, most: number, existing: number): number {
  const got = source.read(buffer, at - existing, most);
  // A part of it is as good: the rest is read again the next time.
  return row.write(buffer, at, got);
}

/** The parts without their first `bytes`. */
function skipped(spans: readonly OpenSpan[], bytes: number): OpenSpan[] {
  let left = bytes;
  return spans.flatMap(({ descriptor, from, length }) => {
    const skip = Math.min(left, length);
    left -= skip;
    return skip === length ? [] : [{ descriptor, from: from + skip, length: length - skip }];
  });
}

function digestsOf(job: Job): SpanDigests {
  return Object.fromEntries(
    job.hashes.map(([algorithm, hash]) => [algorithm, hash.digest(algorithm === 'md5' ? 'base64' : 'hex')]),
  );
}

function drop(job: Job): void {
  jobs.delete(job.id);
  ready.delete(job);
  job.row.close();
}

function reply(message: SpanReply): void {
  port?.postMessage(message);
}
