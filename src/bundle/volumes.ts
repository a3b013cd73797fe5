/** A bundle's bytes as one row, whether they lie in one file or in volumes (`FILE.001`, `FILE.002`, ...). */
import { open, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { errnoOf, storageError } from '../blobs/errno.ts';
import { refusedBundle, wrongField } from './refused.ts';
import type { FileSpan, OpenSpan } from './span-messages.ts';

export const MAX_VOLUMES = 999;

/** The name of a volume; the first is 1. */
export function volumePath(path: string, volume: number): string {
  return `${path}.${String(volume).padStart(3, '0')}`;
}

export interface Volume {
  readonly path: string;
  readonly bytes: number;
}

/** The part [from, from + length) of the row as parts of the volumes. */
export function spansOf(volumes: readonly Volume[], from: number, length: number): FileSpan[] {
  const spans: FileSpan[] = [];
  let begins = 0;
  for (const { path, bytes } of volumes) {
    const first = Math.max(from, begins);
    const last = Math.min(from + length, begins + bytes);
    if (first < last) spans.push({ path, from: first - begins, length: last - first });
    begins += bytes;
  }
  return spans;
}

/** Volumes open for reading. */
export interface OpenVolumes {
  readonly volumes: readonly Volume[];
  readonly totalBytes: number;
  /** Reads `length` bytes to the start of `buffer`. @throws MirrorError BundleRefused if they end before. */
  read(buffer: Buffer, from: number, length: number): Promise<void>;
  /** `spansOf` these volumes, for a thread; until they are closed. */
  spans(from: number, length: number): OpenSpan[];
  close(): Promise<void>;
}

/**
 * Opens the bundle at `path`: a file, its first volume, or the name that its volumes have in common.
 * @throws MirrorError ValidationFailed with `field` if there is none, InternalError if it cannot be read.
 */
export async function openVolumes(path: string, field = 'bundle'): Promise<OpenVolumes> {
  const volumes = await findVolumes(path, field);
  const handles: FileHandle[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(handles.map(async (handle) => handle.close()));
  };
  const handleOf = (span: FileSpan): FileHandle | undefined =>
    handles[volumes.findIndex(({ path: each }) => each === span.path)];
  try {
    for (const volume of volumes) handles.push(await open(volume.path, 'r'));
  } catch (error) {
    await close();
    throw storageError('the bundle could not be opened', error, { path });
  }
  return {
    volumes,
    totalBytes: volumes.reduce((sum, { bytes }) => sum + bytes, 0),
    spans: (from, length) =>
      spansOf(volumes, from, length).flatMap((span) => {
        const handle = handleOf(span);
        return handle === undefined ? [] : [{ descriptor: handle.fd, from: span.from, length: span.length }];
      }),
    async read(buffer, from, length) {
      let done = 0;
      for (const span of spansOf(volumes, from, length)) {
        const handle = handleOf(span);
        for (let at = 0; at < span.length && handle !== undefined;) {
          const { bytesRead } = await handle.read(buffer, done, span.length - at, span.from + at);
          if (bytesRead === 0) throw refusedBundle(`${span.path} has become shorter`);
          at += bytesRead;
          done += bytesRead;
        }
      }
      if (done < length) throw refusedBundle(`it is cut short: it ends at byte ${from + done}`);
    },
    close,
  };
}

async function findVolumes(path: string, field: string): Promise<Volume[]> {
  const whole = await bytesOf(path);
  const base = /^(.+)\.\d{3}$/.exec(path)?.[1];
  if (whole !== undefined && base === undefined) return [{ path, bytes: whole }];
  if (base !== undefined && !path.endsWith('.001')) {
    throw wrongField(field, `${path} is not the first volume: name ${volumePath(base, 1)}`);
  }
  const volumes: Volume[] = [];
  for (let number = 1; number <= MAX_VOLUMES; number += 1) {
    const each = volumePath(base ?? path, number);
    const bytes = await bytesOf(each);
    if (bytes === undefined) break;
    volumes.push({ path: each, bytes });
  }
  if (volumes.length === 0) throw wrongField(field, `there is no bundle at ${path}`);
  return volumes;
}

/** Undefined if there is nothing; only a regular file is read, as a pipe or device could keep us for ever. */
async function bytesOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw refusedBundle(`${path} is no regular file`);
    return found.size;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw storageError('the bundle could not be looked at', error, { path });
  }
}
