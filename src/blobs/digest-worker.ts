/**
 * A thread that hashes files which are still growing. It reads each one again, from the page cache, because handing it
 * the bytes would cost the event loop a copy; reading is synchronous, because blocking this thread blocks nobody.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { isSha1Hex } from '../imgapi/ids.ts';
import type { DigestReply, DigestRequest } from './digest-messages.ts';

// 256 KiB copies best (measured); it stays in the second-level cache for the second and third hash.
const BUFFER_BYTES = 256 * 1024;
// A turn of about 20 ms: then the messages are read, and the next job has its turn.
const TURN_BYTES = 8 * 1024 * 1024;

interface Job {
  readonly id: number;
  readonly isWatched: boolean;
  readonly descriptor: number;
  readonly sha1: Hash;
  readonly md5: Hash;
  readonly sha256: Hash;
  position: number;
  /** Bytes known to be written. */
  upTo: number;
  /** Set by finish. */
  size: number | undefined;
}

const port = parentPort;
if (port === null) throw new Error('digest-worker runs as a worker thread only');

const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
const jobs = new Map<number, Job>();
/** Jobs with something to do, in the order of their turns. */
const ready = new Set<Job>();
let isTurnScheduled = false;

// Not `onmessage`: the port is to keep this thread alive until it is terminated.
port.on('message', (request: DigestRequest) => {
  if (request.type === 'start') {
    start(request.id, request.path, request.isWatched);
    return;
  }
  const job = jobs.get(request.id);
  // It has failed, and has said so.
  if (job === undefined) return;
  switch (request.type) {
    case 'advance':
      job.upTo = Math.max(job.upTo, request.upTo);
      break;
    case 'finish':
      if (job.upTo > request.size)
        return fail(job, new Error(`more was written than the ${request.size} bytes announced`));
      job.size = request.size;
      job.upTo = request.size;
      break;
    case 'cancel':
      return drop(job);
  }
  ready.add(job);
  scheduleTurn();
});

function start(id: number, path: string, isWatched: boolean): void {
  try {
    const descriptor = openSync(path, 'r');
    const job: Job = {
      id,
      isWatched,
      descriptor,
      sha1: createHash('sha1'),
      md5: createHash('md5'),
      sha256: createHash('sha256'),
      position: 0,
      upTo: 0,
      size: undefined,
    };
    jobs.set(id, job);
  } catch (error) {
    reply(failureOf(id, error));
  }
}

function scheduleTurn(): void {
  if (isTurnScheduled || ready.size === 0) return;
  isTurnScheduled = true;
  // setImmediate and not a loop: messages (an advance, a cancel, a new job) are taken in between.
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
    const stopAt = Math.min(job.upTo, job.position + TURN_BYTES);
    while (job.position < stopAt) hashOneBuffer(job, stopAt);
  } catch (error) {
    fail(job, error);
    return;
  }
  if (job.isWatched) reply({ id: job.id, hashedTo: job.position });
  if (job.position < job.upTo) ready.add(job);
  else if (job.size !== undefined) finish(job, job.size);
}

function hashOneBuffer(job: Job, stopAt: number): void {
  const wanted = Math.min(BUFFER_BYTES, stopAt - job.position);
  const got = readSync(job.descriptor, buffer, 0, wanted, job.position);
  if (got === 0) throw new Error(`the file ends at ${job.position}, before byte ${job.upTo} that was to be there`);
  const bytes = got === BUFFER_BYTES ? buffer : buffer.subarray(0, got);
  job.sha1.update(bytes);
  job.md5.update(bytes);
  job.sha256.update(bytes);
  job.position += got;
}

function finish(job: Job, size: number): void {
  drop(job);
  const sha1 = job.sha1.digest('hex');
  if (!isSha1Hex(sha1)) throw new Error('a SHA-1 is 40 hex digits');
  reply({ id: job.id, digests: { sha1, md5: job.md5.digest('base64'), sha256: job.sha256.digest('hex'), size } });
}

function fail(job: Job, error: unknown): void {
  drop(job);
  reply(failureOf(job.id, error));
}

function drop(job: Job): void {
  jobs.delete(job.id);
  ready.delete(job);
  closeSync(job.descriptor);
}

function failureOf(id: number, error: unknown): DigestReply {
  const message = error instanceof Error ? error.message : String(error);
  const errno = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return { id, error: message, errno };
}

function reply(message: DigestReply): void {
  port?.postMessage(message);
}
