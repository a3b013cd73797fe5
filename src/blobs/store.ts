import { open as openFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import { createCondemned } from './condemned.ts';
import type { DiskContext } from './disk-context.ts';
import { errnoOf, storageError } from './errno.ts';
import { forgetIfGone } from './forget-gone.ts';
import { createInspect, type Inspect } from './inspect.ts';
import { createKeyedLock } from './keyed-lock.ts';
import { createBlobLayout } from './layout.ts';
import { createPartialFile } from './partial-file.ts';
import type { PartialFile } from './partial-file.ts';
import { createOpenCount } from './open-count.ts';
import { setAsideBlob } from './quarantine.ts';
import { scanBlobs } from './scan.ts';
import { readSidecar } from './sidecar.ts';
import type { BlobFacts } from './sidecar.ts';
import { createStagedFile, type StagedFile } from './staged-file.ts';
import { createTally } from './tally.ts';
import { createUpkeep } from './upkeep.ts';
import type { Upkeep } from './upkeep.ts';

export type { BlobFacts } from './sidecar.ts';
export type { PartialFile } from './partial-file.ts';
export type { StagedFile } from './staged-file.ts';

/** A stored blob, its size checked on the open descriptor. */
export interface OpenBlob {
  readonly facts: BlobFacts;
  /** Open for reading; stays readable whatever becomes of the blob's name. The caller closes it. */
  readonly handle: FileHandle;
  readonly modifiedAt: Date;
  /** True once it was found rotten: nothing more of it may be served as if it were right. */
  isRotten(): boolean;
}

/** Blobs by SHA-1. Look-ups are three-valued: found, undefined (certainly not there), or a MirrorError (could not tell). */
export interface BlobStore {
  /**
   * Opens a blob. An unsound one (short, long, without a sound sidecar) goes to quarantine and is a miss; one that is
   * sound but not of `size` bytes stays where it is and is a miss for this caller.
   * @throws MirrorError InternalError on any storage error.
   */
  open(sha1: Sha1Hex, size: number): Promise<OpenBlob | undefined>;
  /** The same checks as `open`, without keeping a descriptor: for HEAD. */
  facts(sha1: Sha1Hex, size: number): Promise<BlobFacts | undefined>;
  /** Begins the file of a download. See PartialFile. */
  createPartial(sha1: Sha1Hex): Promise<PartialFile>;
  /** The same, with the bytes that an unfinished download has left. */
  resumePartial(sha1: Sha1Hex): Promise<PartialFile>;
  /** Blobs only, without partials, quarantine and sidecars. Too low until `scan` has resolved. */
  totals(): { readonly blobs: number; readonly bytes: number };
  /**
   * Counts the blobs; call it once, after start, without waiting.
   * Resolves when the totals are right. @throws the signal's reason, or MirrorError InternalError.
   */
  scan(signal?: AbortSignal): Promise<void>;
}

/** A store whose room is limited. */
export interface DiskBlobStore extends BlobStore {
  readonly upkeep: Upkeep;
  /** Begins, or goes on with, a file that is to be published together with others. See StagedFile. */
  stage(sha1: Sha1Hex): Promise<StagedFile>;
  /** Reads a blob again, whole. */
  readonly inspect: Inspect;
}

/** The store on the local disk. Makes its directories when first needed. */
export function createBlobStore(deps: { readonly log: Log }, options: { readonly dir: string }): DiskBlobStore {
  const context = createContext(deps.log, options.dir);
  const opens = createOpenCount();

  const open = async (sha1: Sha1Hex, size: number): Promise<OpenBlob | undefined> => {
    // Held before it is looked for: from here on nobody evicts it.
    const release = opens.hold(sha1);
    try {
      // A second look only where another request replaced the file between the first look and the lock.
      const found = await openOnce(context, sha1, size);
      const settled = found === 'changed' ? await openOnce(context, sha1, size) : found;
      if (settled === 'changed') throw new MirrorError('InternalError', `blob ${sha1} keeps changing on disk`);
      if (settled !== undefined) opens.holdUntilClosed(sha1, settled.handle);
      return settled;
    } finally {
      release();
    }
  };

  const createPartial = async (sha1: Sha1Hex, resume: boolean): Promise<PartialFile> => {
    const partial = await createPartialFile(context, sha1, resume);
    // Followers read from this descriptor after the commit too.
    opens.holdUntilClosed(sha1, partial.handle);
    return partial;
  };

  return {
    upkeep: createUpkeep(context, opens, options.dir),
    inspect: createInspect(context),
    stage: async (sha1) => createStagedFile(context, sha1),
    open,
    async facts(sha1, size) {
      const opened = await open(sha1, size);
      await opened?.handle.close();
      return opened?.facts;
    },
    createPartial: (sha1) => createPartial(sha1, false),
    resumePartial: (sha1) => createPartial(sha1, true),
    totals: () => context.tally.totals(),
    async scan(signal) {
      await scanBlobs(context, signal);
    },
  };
}

function createContext(log: Log, dir: string): DiskContext {
  let lastMs = 0;
  return {
    log,
    layout: createBlobLayout(dir),
    lock: createKeyedLock(),
    tally: createTally(),
    condemned: createCondemned(),
    openPartials: new Set(),
    openStaged: new Set(),
    nextStamp() {
      lastMs = Math.max(Date.now(), lastMs + 1);
      return new Date(lastMs).toISOString().replaceAll(/[-:.]/g, '');
    },
  };
}

async function openOnce(context: DiskContext, sha1: Sha1Hex, size: number): Promise<OpenBlob | 'changed' | undefined> {
  const { layout, log, condemned } = context;
  const path = layout.blob(sha1);
  let handle: FileHandle;
  try {
    handle = await openFile(path, 'r');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError('a stored blob could not be opened', error, { sha1, path });
    await forgetIfGone(context, sha1);
    return undefined;
  }
  let isKept = false;
  try {
    const found = await handle.stat();
    const sidecar = await readSidecar(layout.sidecar(sha1), sha1);
    if (!sidecar.isSound || !found.isFile() || found.size !== sidecar.facts.size || condemned.has(found)) {
      const sizeFault = condemned.has(found) ? 'found rotten before' : 'size is not what arrived';
      const fault = sidecar.isSound ? sizeFault : sidecar.fault;
      const evidence = { found: found.size, sidecar: sidecar.isSound ? sidecar.facts : sidecar.text };
      const isSetAside = await setAsideBlob(context, { sha1, dev: found.dev, ino: found.ino, fault, evidence });
      return isSetAside ? undefined : 'changed';
    }
    if (found.size !== size) {
      // The bytes were checked when they arrived, so it is the manifest that is wrong about them.
      log.warn({ sha1, expected: size, found: found.size }, 'stored blob is not of the size asked for: a miss');
      return undefined;
    }
    isKept = true;
    return { facts: sidecar.facts, handle, modifiedAt: found.mtime, isRotten: () => condemned.has(found) };
  } catch (error) {
    throw storageError('a stored blob could not be read', error, { sha1, path });
  } finally {
    if (!isKept) await handle.close();
  }
}
