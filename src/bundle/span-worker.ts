/**
 * A thread that hashes bytes which lie in one file or go on in the next (a bundle's volumes), and which may still be on
 * their way. It reads them from the page cache, like the digester of the downloads, and for the same reasons.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { Algorithm, FileSpan, SpanDigests, SpanReply, SpanRequest } from './span-messages.ts';

// Stays in the second-level cache for the second hash (measured for the digester of the downloads).
const BUFFER_BYTES = 256 * 1024;
// About 10 ms: then the messages are read, and the next job has its turn.
const TURN_BYTES = 8 * 1024 * 1024;

interface Job {
  readonly id: number;
  readonly spans: readonly FileSpan[];
  readonly hashes: readonly (readonly [Algorithm, Hash])[];
  readonly total: number;
  /** Bytes hashed, of all spans together. */
  at: number;
  /** Bytes known to be there. */
  upTo: number;
  /** The span that is open. */
  current: { readonly span: FileSpan; readonly begins: number; readonly descriptor: number } | undefined;
  nextSpan: number;
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
    const { id, spans, algorithms } = request;
    const hashes = algorithms.map((algorithm) => [algorithm, createHash(algorithm)] as const);
    const total = spans.reduce((sum, { length }) => sum + length, 0);
    const job: Job = { id, spans, hashes, total, at: 0, upTo: 0, current: undefined, nextSpan: 0 };
    jobs.set(id, job);
    // Nothing to wait for.
    if (total === 0) ready.add(job);
  } else {
    const job = jobs.get(request.id);
    // It has failed, and has said so.
    if (job === undefined) return;
    if (request.type === 'cancel') return drop(job);
    job.upTo = Math.min(job.total, Math.max(job.upTo, request.upTo));
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
  if (job.at === job.total) {
    drop(job);
    reply({ id: job.id, digests: digestsOf(job) });
    return;
  }
  reply({ id: job.id, at: job.at });
  if (job.at < job.upTo) ready.add(job);
}

function hashOneBuffer(job: Job, stopAt: number): void {
  const { span, begins, descriptor } = spanAt(job);
  const wanted = Math.min(BUFFER_BYTES, stopAt - job.at, begins + span.length - job.at);
  const position = span.from + job.at - begins;
  const got = readSync(descriptor, buffer, 0, wanted, position);
  if (got === 0) throw new Error(`the file ends at byte ${position}`);
  const bytes = got === BUFFER_BYTES ? buffer : buffer.subarray(0, got);
  for (const [, hash] of job.hashes) hash.update(bytes);
  job.at += got;
}

/** The span that holds the next byte; opened only now, because a volume may not have been begun before. */
function spanAt(job: Job): NonNullable<Job['current']> {
  while (job.current === undefined || job.at >= job.current.begins + job.current.span.length) {
    const span = job.spans[job.nextSpan];
    if (span === undefined) throw new Error('the spans end early');
    if (job.current !== undefined) closeSync(job.current.descriptor);
    job.current = undefined;
    job.current = { span, begins: job.at, descriptor: openSync(span.path, 'r') };
    job.nextSpan += 1;
  }
  return job.current;
}

function digestsOf(job: Job): SpanDigests {
  return Object.fromEntries(
    job.hashes.map(([algorithm, hash]) => [algorithm, hash.digest(algorithm === 'md5' ? 'base64' : 'hex')]),
  );
}

function drop(job: Job): void {
  jobs.delete(job.id);
  ready.delete(job);
  if (job.current !== undefined) closeSync(job.current.descriptor);
}

function reply(message: SpanReply): void {
  port?.postMessage(message);
}
