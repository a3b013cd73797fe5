import { constants } from 'node:fs';
import { mkdir, open, rename, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { FileIdentity } from './condemned.ts';
import type { DiskContext } from './disk-context.ts';
import { syncDir, syncFile, writeAndSync } from './durable-file.ts';
import { storageError } from './errno.ts';
import { ignoreMissing, moveToQuarantine } from './quarantine.ts';
import { formatSidecar, isBlobFacts } from './sidecar.ts';
import type { BlobFacts } from './sidecar.ts';
import { readNote, removeNote, writeNote, type PartialNote } from './partial-note.ts';

/**
 * The file of an unfinished download. It ends by exactly one of commit, quarantine, keep and discard; none of them closes
 * `handle`, which followers may still be reading from. A commit or quarantine that failed may be followed by another
 * of the three; discard after the end does nothing, so that it can stand in a `finally`.
 */
export interface PartialFile {
  /** Its path until it is committed or moved. */
  readonly path: string;
  /** Open for reading and writing. The caller closes it. */
  readonly handle: FileHandle;
  /** Bytes of an earlier download that are in it already; 0 for one that was begun. */
  readonly existingBytes: number;
  /** What an earlier download noted of them. */
  readonly note: PartialNote | undefined;
  /** Notes what a later download must know to go on. */
  saveNote(note: PartialNote): Promise<void>;
  /** Leaves the file as it is, for a later download to go on with; it and its note are synced, where the disk lets them. */
  keep(): Promise<void>;
  /**
   * Publishes the blob, over an existing one if need be: syncs the file, makes the sidecar durable, then renames the blob
   * into place and syncs the directories. The caller has checked the SHA-1.
   * @throws MirrorError InternalError if the file's size is not `facts.size`, or on a storage error.
   */
  commit(facts: BlobFacts): Promise<void>;
  /** True once it was found rotten as the blob it has become: nothing more of it may be served as if it were right. */
  isRotten(): boolean;
  /** Moves the file to quarantine, with a `.json` beside it that holds `reason`. */
  quarantine(reason: Record<string, unknown>): Promise<void>;
  /** Removes the file. The sha1 is free for a new partial afterwards, even if removing failed. */
  discard(): Promise<void>;
}

/**
 * Begins a partial: empty, or with `resume` what an earlier download has left, if anything.
 * @throws MirrorError InternalError if one of the same sha1 is open: two writers of one file are a bug of the caller.
 */
export async function createPartialFile(context: DiskContext, sha1: Sha1Hex, resume: boolean): Promise<PartialFile> {
  const { layout, lock, openPartials } = context;
  if (openPartials.has(sha1)) throw new MirrorError('InternalError', `a partial of ${sha1} is open already`);
  openPartials.add(sha1);
  const path = layout.partial(sha1);
  try {
    // Under the lock: old partials are removed under the same name.
    return await lock.run(sha1, async () => {
      await mkdir(layout.partialDir, { recursive: true });
      const handle = await open(path, resume ? constants.O_RDWR | constants.O_CREAT : 'w+');
      try {
        const existingBytes = resume ? (await handle.stat()).size : 0;
        const note = existingBytes > 0 ? await readNote(layout.partialNote(sha1)) : undefined;
        return partialOf(context, sha1, { handle, existingBytes, note });
      } catch (error) {
        await handle.close();
        throw error;
      }
    });
  } catch (error) {
    openPartials.delete(sha1);
    throw storageError('a download could not be begun on disk', error, { sha1, path });
  }
}

interface OpenedPartial {
  readonly handle: FileHandle;
  readonly existingBytes: number;
  readonly note: PartialNote | undefined;
}

function partialOf(context: DiskContext, sha1: Sha1Hex, opened: OpenedPartial): PartialFile {
  const { handle } = opened;
  const { layout, lock, openPartials } = context;
  const path = layout.partial(sha1);
  let state: 'open' | 'ending' | 'ended' = 'open';
  let published: FileIdentity | undefined;

  const end = async (verb: string, work: () => Promise<void>): Promise<void> => {
    if (state !== 'open') throw new MirrorError('InternalError', `${verb} of ${sha1}: the partial is ${state}`);
    state = 'ending';
    try {
      await lock.run(sha1, work);
      state = 'ended';
      openPartials.delete(sha1);
    } catch (error) {
      state = 'open';
      throw storageError(`${verb} of ${sha1} failed`, error, { sha1, path });
    }
  };

  return {
    path,
    ...opened,
    saveNote: (note) => writeNote(layout.partialNote(sha1), note),
    keep: () => end('keep', () => syncKept(context, sha1, handle)),
    commit: (facts) =>
      end('commit', async () => {
        const identity = await handle.stat();
        await publishFile(context, sha1, { path, handle }, facts);
        published = identity;
        await removeNote(layout.partialNote(sha1));
      }),
    isRotten: () => published !== undefined && context.condemned.has(published),
    quarantine: (reason) =>
      end('quarantine', async () => {
        const movedTo = await moveToQuarantine(context, sha1, path, reason);
        await removeNote(layout.partialNote(sha1));
        context.log.warn({ ...reason, sha1, movedTo }, 'partial moved to quarantine');
      }),
    async discard() {
      if (state === 'ended') return;
      try {
        await end('discard', async () => {
          await unlink(path).catch(ignoreMissing);
          await unlink(layout.partialSidecar(sha1)).catch(ignoreMissing);
          await removeNote(layout.partialNote(sha1));
        });
      } finally {
        // A file that cannot be removed must not make its blob undownloadable: the next partial truncates it.
        if (state === 'open') {
          state = 'ended';
          openPartials.delete(sha1);
        }
      }
    },
  };
}

/**
 * What was fetched is worth keeping over a power cut too. A disk that will not sync it is no reason to let go of it: whoever
 * goes on with the file hashes it anew.
 */
async function syncKept({ layout, log }: DiskContext, sha1: Sha1Hex, handle: FileHandle): Promise<void> {
  try {
    await handle.sync();
    await syncFile(layout.partialNote(sha1)).catch(ignoreMissing);
    await syncDir(layout.partialDir);
  } catch (error) {
    log.warn({ err: error, sha1 }, 'a partial could not be synced');
  }
}

/** Makes a file, which is open for writing, the blob that `facts` tell of. The caller holds the lock of `sha1`. */
export async function publishFile(
  context: DiskContext,
  sha1: Sha1Hex,
  { path, handle }: { readonly path: string; readonly handle: FileHandle },
  facts: BlobFacts,
): Promise<void> {
  const { layout, tally } = context;
  if (!isBlobFacts(facts) || facts.sha1 !== sha1) {
    throw new MirrorError('InternalError', `commit of ${sha1}: its facts are unsound`, { details: { facts } });
  }
  const { size } = await handle.stat();
  if (size !== facts.size) {
    throw new MirrorError('InternalError', `commit of ${sha1}: the file's size is not the blob's`, {
      details: { expected: facts.size, found: size },
    });
  }
  await handle.sync();
  const shardDir = layout.shardDir(sha1);
  if ((await mkdir(shardDir, { recursive: true })) !== undefined) await syncDir(layout.shardsDir);
  await writeAndSync(layout.partialSidecar(sha1), formatSidecar(facts));
  await rename(layout.partialSidecar(sha1), layout.sidecar(sha1));
  // Before the blob's own rename: a blob that is there after a crash has its sidecar.
  await syncDir(shardDir);
  await rename(path, layout.blob(sha1));
  tally.set(sha1, size);
  await syncDir(shardDir);
  await syncDir(layout.partialDir);
}
