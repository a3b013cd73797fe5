/**
 * Writes a bundle: its bytes are known from the index on, so what an interrupted export has left is gone on with where it stopped, once
 * it is checked like all the rest.
 */
import type { BlobStore, OpenBlob } from '../blobs/store.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { BundleEntry, BundleLayout } from './bundle-layout.ts';
import { MAX_BEHIND_BYTES } from './check-contents.ts';
import { copySpans } from './copy-spans.ts';
import { INDEX_NAME } from './entry-names.ts';
import { existsAlready, type OutputFiles } from './output-files.ts';
import type { SpanDigester, SpanJob } from './span-digester.ts';
import { END_BYTES, MAX_NAME_BYTES } from './tar-header.ts';
import { spansOf } from './volumes.ts';

export interface WriteDeps {
  readonly blobs: Pick<BlobStore, 'open'>;
  readonly digester: SpanDigester;
  readonly signal: AbortSignal;
  /** So many bytes of the whole are done; may go back where something has to be written again. */
  readonly onDone: (bytes: number) => void;
}

export interface BundleContents {
  readonly layout: BundleLayout;
  /** The entries whose bytes are no blob's: index, signature and manifests, by name. */
  readonly texts: ReadonlyMap<string, Buffer>;
}

/** What is there already is not what it should be, from this byte on. */
class StaleBytes extends Error {
  readonly from: number;

  constructor(from: number) {
    super(`what is there is not right from byte ${from} on`);
    this.from = from;
  }
}

/**
 * Writes what is missing, or checks what is finished.
 * @returns the SHA-256 of each file.
 * @throws MirrorError Conflict if something else has the name, InternalError if a blob is not what it should be or on a
 * storage error; the signal's reason. What is written stays.
 */
export async function writeBundle(files: OutputFiles, contents: BundleContents, deps: WriteDeps): Promise<string[]> {
  await checkIsOurs(files);
  for (let from = files.existingBytes; ;) {
    try {
      return await writeFrom(from, files, contents, deps);
    } catch (error) {
      if (!(error instanceof StaleBytes)) throw error;
      if (files.isFinished) throw existsAlready(files.paths[0] ?? '');
      // Always less than before: what this run wrote itself is never stale.
      from = Math.min(error.from, Math.max(0, from - 1));
    }
  }
}

/** Any bundle begins with an entry of this name; any other file of that name is somebody else's. */
async function checkIsOurs(files: OutputFiles): Promise<void> {
  const length = Math.min(files.existingBytes, MAX_NAME_BYTES);
  const found = Buffer.alloc(length);
  await files.read(found, 0, length);
  const due = Buffer.alloc(MAX_NAME_BYTES);
  due.write(INDEX_NAME);
  if (!found.equals(due.subarray(0, length))) throw existsAlready(files.volumes[0]?.path ?? '');
}

async function writeFrom(
  from: number,
  files: OutputFiles,
  contents: BundleContents,
  deps: WriteDeps,
): Promise<string[]> {
  const { layout, texts } = contents;
  const sums = createSums(files, deps.digester);
  if (!files.isFinished) await files.cutTo(from);
  const put = async (bytes: Buffer, at: number, entryOffset: number): Promise<void> => {
    const there = Math.min(bytes.length, Math.max(0, from - at));
    const found = Buffer.alloc(there);
    await files.read(found, at, there);
    if (!found.equals(bytes.subarray(0, there))) throw new StaleBytes(entryOffset);
    await files.write(bytes.subarray(there), at + there);
    await sums.advance(at + bytes.length);
  };
  try {
    for (const entry of layout.entries) {
      deps.signal.throwIfAborted();
      await put(entry.header, entry.offset, entry.offset);
      const text = texts.get(entry.name);
      if (text === undefined) await putBlob({ entry, from, files, deps, onWritten: async (to) => sums.advance(to) });
      else await put(text, entry.dataOffset, entry.offset);
      const filledFrom = entry.dataOffset + entry.size;
      await put(Buffer.alloc(entry.endOffset - filledFrom), filledFrom, entry.offset);
      deps.onDone(entry.endOffset);
    }
    await put(Buffer.alloc(END_BYTES), layout.totalBytes - END_BYTES, layout.totalBytes - END_BYTES);
    deps.onDone(layout.totalBytes);
    return await sums.all();
  } finally {
    await sums.cancel();
  }
}

interface PutBlob {
  readonly entry: BundleEntry;
  /** Bytes of the bundle before this are there. */
  readonly from: number;
  readonly files: OutputFiles;
  readonly deps: WriteDeps;
  readonly onWritten: (to: number) => Promise<void>;
}

/**
 * It is the bytes in the bundle that are hashed, not those that were read: what is carried away is what was checked. The SHA-256 is
 * enough: the store knows it from when the blob came, and its SHA-1 was right then. The index claims it, so it must be true.
 */
async function putBlob({ entry, from, files, deps, onWritten }: PutBlob): Promise<void> {
  const { file, dataOffset, size, name } = entry;
  if (file === undefined) throw new MirrorError('InternalError', `nothing is known of the bundle's entry ${name}`);
  const existing = Math.min(size, Math.max(0, from - dataOffset));
  // What is open stays readable, whatever becomes of its file.
  const blob = existing < size ? await openBlob(deps.blobs, entry) : undefined;
  try {
    if (blob !== undefined) await files.begin(dataOffset, size);
    const copy = blob && { spans: [{ descriptor: blob.handle.fd, from: 0, length: size }], existing };
    const job = deps.digester.start(spansOf(files.volumes, dataOffset, size), ['sha256'], copy);
    try {
      await copySpans({
        copying: job,
        size,
        signal: deps.signal,
        async onCopied(to) {
          await files.wrote(dataOffset + to);
          await onWritten(dataOffset + to);
          deps.onDone(dataOffset + to);
        },
      });
      const { sha256 } = await job.digests;
      if (sha256 === file.sha256) return;
    } finally {
      await job.cancel();
    }
  } finally {
    await blob?.handle.close();
  }
  if (existing > 0) throw new StaleBytes(entry.offset);
  throw new MirrorError(
    'InternalError',
    `blob ${file.sha1} is damaged on this mirror's disk, and is not exported: \`imgapi-mirror scrub\` takes it away`,
  );
}

async function openBlob(blobs: WriteDeps['blobs'], { file, name }: BundleEntry): Promise<OpenBlob> {
  const blob = file === undefined ? undefined : await blobs.open(file.sha1, file.size);
  if (blob !== undefined) return blob;
  throw new MirrorError(
    'ServiceUnavailableError',
    `the file of ${name} is not cached any more: prefetch it, then export again, which goes on where it stopped`,
  );
}

/** The SHA-256 of each file, computed behind the writing. */
function createSums(
  files: OutputFiles,
  digester: SpanDigester,
): { advance(to: number): Promise<void>; all(): Promise<string[]>; cancel(): Promise<void> } {
  const jobs: SpanJob[] = [];
  const begins: number[] = [];
  let end = 0;
  for (const { bytes } of files.volumes) {
    begins.push(end);
    end += bytes;
  }
  return {
    async advance(to) {
      for (const [at, { path, bytes }] of files.volumes.entries()) {
        const upTo = Math.min(bytes, to - (begins[at] ?? 0));
        if (upTo <= 0) break;
        const job = (jobs[at] ??= digester.start([{ path, from: 0, length: bytes }], ['sha256']));
        job.advance(upTo);
      }
      await jobs.at(-1)?.untilBehindBy(MAX_BEHIND_BYTES);
    },
    async all() {
      const digests = await Promise.all(jobs.map(async (job) => job.digests));
      return digests.map(({ sha256 }) => sha256 ?? '');
    },
    async cancel() {
      await Promise.all(jobs.map(async (job) => job.cancel()));
    },
  };
}
