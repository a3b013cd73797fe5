/**
 * Reading a stored blob again, whole: is it still what arrived? What is not goes to quarantine. The thread that hashes does
 * the reading, so the event loop stays free; it opens the file by itself, so that nobody is kept from evicting it.
 *
 * SHA-1 names the bytes and is what clients check. Where it is right and the sidecar disagrees, the other digests tell
 * who is wrong: one of MD5 and SHA-256 fits, so it is the sidecar that rotted, and it is written anew; none fits,
 * so these are other bytes of the same SHA-1, and the file is what goes.
 */
import { rename, stat } from 'node:fs/promises';
import type { Stats } from 'node:fs';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { Digests, WatchedDigestJob, WatchingDigester } from './digester.ts';
import type { DiskContext } from './disk-context.ts';
import { syncDir, writeAndSync } from './durable-file.ts';
import { errnoOf, storageError } from './errno.ts';
import { forgetIfGone } from './forget-gone.ts';
import { isJsonObject, parseJson } from './json-file.ts';
import { setAsideBlob } from './quarantine.ts';
import { formatSidecar, readSidecar, type BlobFacts, type Sidecar } from './sidecar.ts';

/** What an inspection found, and has seen to. `gone`: evicted, removed or replaced meanwhile; nothing is wrong with that. */
export type Inspection =
  | { readonly result: 'right' | 'gone' }
  /** The bytes are right; the sidecar was not, and is now. */
  | { readonly result: 'repaired'; readonly reason: string }
  /** No longer in the store. */
  | { readonly result: 'rotted'; readonly reason: string };

export interface InspectOptions {
  readonly digester: Pick<WatchingDigester, 'watch'>;
  /** Awaited before each piece of so many bytes (1 MiB at most) is read. What it throws ends the inspection. */
  readonly pace: (bytes: number) => Promise<void>;
}

/** @throws MirrorError InternalError if it could not be told; what `pace` throws. */
export type Inspect = (sha1: Sha1Hex, options: InspectOptions) => Promise<Inspection>;

const PIECE_BYTES = 1024 * 1024;
/** How far the thread may lag behind what it was told to read: two pieces, so that it need not wait for us. */
const AHEAD_BYTES = 2 * PIECE_BYTES;
/** Errors of reading that say that these bytes are lost, and not that something else is wrong. */
const LOST = new Set(['EIO', 'EBADMSG', 'EUCLEAN', 'ENODATA', 'EILSEQ']);

/** What one reading of the file has shown. */
type Reading = { readonly digests: Digests } | { readonly lost: string } | 'gone';

export function createInspect(context: DiskContext): Inspect {
  const { layout, log, tally } = context;

  return async function inspect(sha1, options) {
    const path = layout.blob(sha1);
    try {
      const found = await stat(path);
      const sidecar = await readSidecar(layout.sidecar(sha1), sha1);
      if (sidecar.isSound && sidecar.facts.size !== found.size) {
        return await condemn(sha1, found, 'size is not what arrived', { found: found.size, sidecar: sidecar.facts });
      }
      let reading = await readWhole(sha1, found.size, options);
      if (isWrong(reading, sha1)) {
        // Memory and cables fail too: only what is wrong twice is wrong on disk.
        const first = reading;
        reading = await readWhole(sha1, found.size, options);
        if (!isWrong(reading, sha1)) {
          log.error({ sha1, first }, 'a blob was read wrong and then right: this machine may be failing');
        }
      }
      if (reading === 'gone' || !(await isSame(path, found))) return { result: 'gone' };
      return await judge(sha1, found, sidecar, reading);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') {
        await forgetIfGone(context, sha1);
        return { result: 'gone' };
      }
      const isSystemError = error instanceof Error && 'syscall' in error;
      throw isSystemError ? storageError('a stored blob could not be checked', error, { sha1 }) : error;
    }
  };

  async function judge(
    sha1: Sha1Hex,
    found: Stats,
    sidecar: Sidecar,
    reading: Exclude<Reading, 'gone'>,
  ): Promise<Inspection> {
    if ('lost' in reading) return condemn(sha1, found, `unreadable: ${reading.lost}`, {});
    const { digests } = reading;
    const evidence = { found: digests, sidecar: sidecar.isSound ? sidecar.facts : sidecar.text };
    if (digests.sha1 !== sha1) return condemn(sha1, found, 'sha1 mismatch', evidence);
    if (!sidecar.isSound) return repair(sha1, found, sidecar.fault, factsFrom(digests, found, sidecar.text));
    const { facts } = sidecar;
    const [isSameSha256, isSameMd5] = [facts.sha256 === digests.sha256, facts.md5 === digests.md5];
    if (isSameSha256 && isSameMd5) return { result: 'right' };
    if (!isSameSha256 && !isSameMd5) return condemn(sha1, found, 'other bytes of the same sha1', evidence);
    const fault = `sidecar has another ${isSameMd5 ? 'sha256' : 'md5'}`;
    return repair(sha1, found, fault, { ...facts, md5: digests.md5, sha256: digests.sha256 });
  }

  /** Takes it out of the store, and breaks off whoever is reading it. */
  async function condemn(
    sha1: Sha1Hex,
    found: Stats,
    reason: string,
    evidence: Readonly<Record<string, unknown>>,
  ): Promise<Inspection> {
    context.condemned.add(found);
    const isSetAside = await setAsideBlob(context, { sha1, dev: found.dev, ino: found.ino, fault: reason, evidence });
    return isSetAside ? { result: 'rotted', reason } : { result: 'gone' };
  }

  async function repair(sha1: Sha1Hex, found: Stats, reason: string, facts: BlobFacts): Promise<Inspection> {
    return context.lock.run(sha1, async () => {
      if (!(await isSame(layout.blob(sha1), found))) return { result: 'gone' };
      await writeAndSync(layout.partialSidecar(sha1), formatSidecar(facts));
      await rename(layout.partialSidecar(sha1), layout.sidecar(sha1));
      await syncDir(layout.shardDir(sha1));
      log.warn({ sha1, fault: reason }, 'the sidecar of a stored blob was unsound: recorded anew');
      return { result: 'repaired', reason };
    });
  }

  /** Evicted blobs give their room back when the last descriptor closes: ours must not be the one. */
  async function readWhole(sha1: Sha1Hex, size: number, { digester, pace }: InspectOptions): Promise<Reading> {
    const job = digester.watch(layout.blob(sha1));
    try {
      return await readPieces(job, sha1, size, pace);
    } catch (error) {
      const errno = error instanceof MirrorError ? error.details['errno'] : undefined;
      if (errno === 'ENOENT') return 'gone';
      if (typeof errno === 'string' && LOST.has(errno)) return { lost: errno };
      throw error;
    } finally {
      job.cancel();
    }
  }

  async function readPieces(
    job: WatchedDigestJob,
    sha1: Sha1Hex,
    size: number,
    pace: InspectOptions['pace'],
  ): Promise<Reading> {
    for (let position = 0; position < size;) {
      const bytes = Math.min(PIECE_BYTES, size - position);
      await pace(bytes);
      if (!tally.has(sha1)) return 'gone';
      position += bytes;
      // The last piece goes with `finish`.
      if (position === size) break;
      job.advance(position);
      if (position > AHEAD_BYTES) await job.hashed(position - AHEAD_BYTES);
    }
    return { digests: await job.finish(size) };
  }
}

function isWrong(reading: Reading, sha1: Sha1Hex): boolean {
  if (reading === 'gone') return false;
  return 'lost' in reading || reading.digests.sha1 !== sha1;
}

async function isSame(path: string, found: Stats): Promise<boolean> {
  const now = await stat(path);
  return now.ino === found.ino && now.dev === found.dev && now.mtimeMs === found.mtimeMs;
}

/** What can be said of a blob whose sidecar is lost; where it came from only if the old text still tells. */
function factsFrom(digests: Digests, found: Stats, text: string | undefined): BlobFacts {
  const { sha1, size, md5, sha256 } = digests;
  const before = text === undefined ? undefined : parseJson(text);
  const told = isJsonObject(before) ? before : {};
  const source = typeof told['source'] === 'string' ? told['source'] : 'unknown';
  const wasArrival = typeof told['arrivedAt'] === 'string' && !Number.isNaN(Date.parse(told['arrivedAt']));
  const arrivedAt = wasArrival ? String(told['arrivedAt']) : found.mtime.toISOString();
  return { sha1, size, md5, sha256, source, arrivedAt };
}
