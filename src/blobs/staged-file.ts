/**
 * A file that an import brings. Unlike a partial it is nobody's to read, and its end is decided together with that of all
 * the other files of the bundle; so it keeps no descriptor, of which there could be thousands.
 */
import { constants } from 'node:fs';
import { mkdir, open, stat, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { DiskContext } from './disk-context.ts';
import { errnoOf, storageError } from './errno.ts';
import { publishFile } from './partial-file.ts';
import { ignoreMissing } from './quarantine.ts';
import type { BlobFacts } from './sidecar.ts';

/** Ends by exactly one of publish, keep and discard; after the end keep and discard do nothing. */
export interface StagedFile {
  readonly sha1: Sha1Hex;
  readonly path: string;
  /** Bytes that an interrupted import has left in it; not to be trusted before they are hashed. */
  readonly existingBytes: number;
  /** For reading and writing. The caller closes it, before the end. */
  open(): Promise<FileHandle>;
  /**
   * Makes it a blob, durably, over an existing one if need be. The caller has checked the SHA-1.
   * @throws MirrorError InternalError if the file's size is not `facts.size`, or on a storage error. It is staged still then.
   */
  publish(facts: BlobFacts): Promise<void>;
  /** Leaves it for another import to go on with. */
  keep(): void;
  /** Removes it. Never rejects: what cannot be removed is let go to age. */
  discard(): Promise<void>;
}

/** @throws MirrorError InternalError on a storage error, or if another import has it. */
export async function createStagedFile(context: DiskContext, sha1: Sha1Hex): Promise<StagedFile> {
  const { layout, lock, openStaged } = context;
  const path = layout.staged(sha1);
  if (openStaged.has(sha1)) throw new MirrorError('InternalError', `another import is bringing ${sha1} already`);
  // From here on nobody removes what is there.
  openStaged.add(sha1);
  let existingBytes = 0;
  try {
    existingBytes = await lock.run(sha1, async () => sizeOf(path));
  } catch (error) {
    openStaged.delete(sha1);
    throw storageError('a file could not be staged', error, { sha1, path });
  }
  return {
    sha1,
    path,
    existingBytes,
    async open() {
      try {
        await mkdir(layout.partialDir, { recursive: true });
        return await open(path, constants.O_RDWR | constants.O_CREAT);
      } catch (error) {
        throw storageError('a file could not be staged', error, { sha1, path });
      }
    },
    async publish(facts) {
      try {
        await lock.run(sha1, async () => publishStaged(context, sha1, path, facts));
      } catch (error) {
        throw storageError(`publishing ${sha1} failed`, error, { sha1, path });
      }
      openStaged.delete(sha1);
    },
    keep() {
      openStaged.delete(sha1);
    },
    async discard() {
      if (!openStaged.delete(sha1)) return;
      await lock.run(sha1, async () => {
        await unlink(path)
          .catch(ignoreMissing)
          .catch((error: unknown) => context.log.warn({ err: error, path }, 'a staged file could not be removed'));
      });
    },
  };
}

async function publishStaged(context: DiskContext, sha1: Sha1Hex, path: string, facts: BlobFacts): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await publishFile(context, sha1, { path, handle }, facts);
  } finally {
    await handle.close();
  }
}

/** 0 if there is no such file. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return 0;
  }
}
