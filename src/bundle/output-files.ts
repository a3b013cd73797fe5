/**
 * The file, or the volumes, that an export writes. Everything lies under `<name>.part` until all of it is right; what an
 * interrupted export has left there can be gone on with.
 */
import { constants } from 'node:fs';
import { open, rename, stat, truncate, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { replaceFile, syncDir } from '../blobs/durable-file.ts';
import { errnoOf, storageError } from '../blobs/errno.ts';
import { readSmallFile } from '../blobs/json-file.ts';
import { ignoreMissing } from '../blobs/quarantine.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { wrongField } from './refused.ts';
import { createSyncBehind } from './sync-behind.ts';
import { MAX_VOLUMES, spansOf, volumePath, type Volume } from './volumes.ts';

export interface OutputFiles {
  /** Where they are written now. */
  readonly volumes: readonly Volume[];
  /** The names they will have, or have. */
  readonly paths: readonly string[];
  /** All have their final names already, and their sizes: they can be checked, not written. */
  readonly isFinished: boolean;
  /** Bytes that are there, without a gap, from the start. */
  readonly existingBytes: number;
  read(buffer: Buffer, from: number, length: number): Promise<void>;
  /** Goes on at `from`: what is behind it is removed. */
  cutTo(from: number): Promise<void>;
  write(buffer: Buffer, from: number): Promise<void>;
  /** Makes sure that the files are there which hold this part, for a thread to write it. */
  begin(from: number, length: number): Promise<void>;
  /** A thread has written what lies before `to`. */
  wrote(to: number): Promise<void>;
  /** Syncs everything, gives the final names, and writes `<output>.sha256` for `sha256sum -c`. */
  finish(sha256s: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const MAX_SUMS_BYTES = 1024 * 1024;

/**
 * @param splitBytes most bytes of a volume; undefined for one file.
 * @throws MirrorError Conflict for names that are taken, ValidationFailed for what cannot be volumes, InternalError on a storage error.
 */
export async function openOutput(
  output: string,
  totalBytes: number,
  splitBytes: number | undefined,
): Promise<OutputFiles> {
  if (/\.\d{3}$/.test(output)) throw wrongField('output', `${output} looks like the name of a volume`);
  try {
    if (!(await isDirectory(dirname(output)))) throw wrongField('output', `there is no directory ${dirname(output)}`);
    const finals = await namesOf(output, totalBytes, splitBytes);
    const sizes = await Promise.all(finals.map(async ({ path }) => sizeOf(path)));
    const isFinished = finals.every(({ bytes }, at) => sizes[at] === bytes);
    const taken = finals.find((_, at) => sizes[at] !== undefined);
    if (!isFinished && taken !== undefined) throw existsAlready(taken.path);
    const volumes = finals.map(({ path, bytes }) => ({ path: isFinished ? path : `${path}.part`, bytes }));
    return outputOf(output, finals, volumes, isFinished, await existingBytesOf(volumes));
  } catch (error) {
    throw storageError(`${output} could not be looked at`, error, { output });
  }
}

export function existsAlready(path: string): Error {
  return new MirrorError(
    'Conflict',
    `${path} exists already and is not what this export would write: it is left as it is`,
  );
}

async function namesOf(output: string, totalBytes: number, splitBytes: number | undefined): Promise<Volume[]> {
  if (splitBytes === undefined) return [{ path: output, bytes: totalBytes }];
  const count = Math.ceil(totalBytes / splitBytes);
  if (count > MAX_VOLUMES) throw wrongField('split', `it would take ${count} volumes, and there can be ${MAX_VOLUMES}`);
  // A reader takes what goes by these names for a part of the bundle.
  for (const path of [output, volumePath(output, count + 1)]) {
    if ((await sizeOf(path)) !== undefined) throw existsAlready(path);
  }
  return Array.from({ length: count }, (_, at) => ({
    path: volumePath(output, at + 1),
    bytes: Math.min(splitBytes, totalBytes - at * splitBytes),
  }));
}

function outputOf(
  output: string,
  finals: readonly Volume[],
  volumes: readonly Volume[],
  isFinished: boolean,
  existingBytes: number,
): OutputFiles {
  const handles = new Map<string, FileHandle>();
  const syncBehind = createSyncBehind();
  let writtenBytes = existingBytes;

  const handleOf = async (path: string): Promise<FileHandle> => {
    const known = handles.get(path);
    if (known !== undefined) return known;
    const handle = await open(path, isFinished ? 'r' : constants.O_RDWR | constants.O_CREAT);
    handles.set(path, handle);
    return handle;
  };
  const each = async (
    from: number,
    length: number,
    work: (handle: FileHandle, done: number, left: number, position: number) => Promise<number>,
  ): Promise<void> => {
    let done = 0;
    for (const span of spansOf(volumes, from, length)) {
      const handle = await handleOf(span.path);
      for (let at = 0; at < span.length;) {
        const moved = await work(handle, done, span.length - at, span.from + at);
        if (moved === 0) throw new Error(`${span.path} has become shorter`);
        at += moved;
        done += moved;
      }
    }
  };

  const storing = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw storageError('the bundle could not be written (what is written stays, and is gone on with)', error, {
        output,
      });
    }
  };

  return {
    volumes,
    paths: finals.map(({ path }) => path),
    isFinished,
    existingBytes,
    async read(buffer, from, length) {
      await each(from, length, async (handle, done, left, position) => {
        return (await handle.read(buffer, done, left, position)).bytesRead;
      });
    },
    async cutTo(from) {
      writtenBytes = from;
      let begins = 0;
      for (const { path, bytes } of volumes) {
        const kept = from - begins;
        begins += bytes;
        // Also where it is longer than it may be: another split has left it.
        if (kept > 0) await truncate(path, Math.min(kept, bytes));
        else if (!handles.has(path)) await unlink(path).catch(ignoreMissing);
        else await truncate(path, 0);
      }
    },
    async write(buffer, from) {
      await storing(async () => {
        await each(from, buffer.length, async (handle, done, left, position) => {
          return (await handle.write(buffer, done, left, position)).bytesWritten;
        });
      });
    },
    async begin(from, length) {
      await storing(async () => {
        for (const { path } of spansOf(volumes, from, length)) await handleOf(path);
      });
    },
    async wrote(to) {
      const [last] = spansOf(volumes, to - 1, 1);
      const bytes = to - writtenBytes;
      if (bytes <= 0 || last === undefined) return;
      writtenBytes = to;
      await storing(async () => syncBehind.wrote(await handleOf(last.path), bytes));
    },
    async finish(sha256s) {
      try {
        await syncBehind.settle();
        if (!isFinished) {
          for (const { path } of volumes) await (await handleOf(path)).sync();
          for (const [at, { path }] of finals.entries()) await rename(volumes[at]?.path ?? path, path);
          await syncDir(dirname(output));
        }
        const sums = finals.map(({ path }, at) => `${sha256s[at]}  ${basename(path)}\n`).join('');
        const path = `${output}.sha256`;
        if ((await readSmallFile(path, MAX_SUMS_BYTES)) !== sums) await replaceFile(path, sums);
      } catch (error) {
        throw storageError('the bundle could not be finished', error, { output });
      }
    },
    async close() {
      // What failed has been told of, or is of no interest any more.
      await syncBehind.settle().catch(() => {});
      await Promise.all(Array.from(handles.values(), async (handle) => handle.close()));
      handles.clear();
    },
  };
}

async function existingBytesOf(volumes: readonly Volume[]): Promise<number> {
  let existing = 0;
  for (const { path, bytes } of volumes) {
    const size = (await sizeOf(path)) ?? 0;
    existing += Math.min(size, bytes);
    if (size < bytes) break;
  }
  return existing;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/** Undefined if there is nothing. @throws MirrorError Conflict for what is no regular file */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw existsAlready(path);
    return found.size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
