/** The beginning of a file whose download the disk has ended: what is written is still read from there. */
import { MirrorError } from '../imgapi/errors.ts';
import type { ByteSource } from './byte-source.ts';
import type { FollowedDownload } from './download.ts';
import { createRunningHashes, type RunningHashes } from './running-hashes.ts';
import type { StartPoint } from './pass-through.ts';

const BUFFER_BYTES = 256 * 1024;

/** The place behind the first `bytes`, which are hashed once, however many go on from it. */
export function startBehind(followed: FollowedDownload, bytes: number, contentMd5: string | undefined): StartPoint {
  let hashed: Promise<RunningHashes> | undefined;
  return {
    bytes,
    contentMd5,
    async hashes() {
      hashed ??= hashWritten(followed, bytes);
      return (await hashed).fork();
    },
  };
}

async function hashWritten(followed: FollowedDownload, bytes: number): Promise<RunningHashes> {
  const hashes = createRunningHashes();
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  for (let at = 0; at < bytes;) {
    const read = await readSome(followed, buffer, at, Math.min(buffer.length, bytes - at));
    hashes.update(buffer.subarray(0, read));
    at += read;
  }
  return hashes;
}

async function readSome(followed: FollowedDownload, buffer: Buffer, at: number, length: number): Promise<number> {
  const read = await followed.readWritten(buffer, at, length);
  if (read === 0) throw new MirrorError('StorageFailed', `a partial ended at byte ${at}`);
  return read;
}

/** The first `bytes` from disk, the rest from `rest`, which it takes over. */
export function writtenThen(followed: FollowedDownload, bytes: number, rest: ByteSource): ByteSource {
  return {
    ...rest,
    ready: (position, signal) => (position < bytes ? undefined : rest.ready(position, signal)),
    read: async (buffer, position, length, signal) =>
      position < bytes
        ? readSome(followed, buffer, position, Math.min(length, bytes - position))
        : rest.read(buffer, position, length, signal),
  };
}
