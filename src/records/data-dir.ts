/**
 * The cache directory as a whole: its tree, its format's number, and the lock that gives it to one process.
 */
import { mkdir, rm, unlink, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { replaceFile, syncDir } from '../blobs/durable-file.ts';
import { errnoOf } from '../blobs/errno.ts';
import { makeDir } from '../blobs/make-dir.ts';
import { readSmallFile } from '../blobs/json-file.ts';
import type { Log } from '../config/log.ts';
import { readServing, servingFile } from './serving-file.ts';
import { SQLITE, sqliteCodeOf } from './sqlite-code.ts';

/** Why a cache directory could not be had. The message is one line for the operator and names the directory. */
export class DataDirError extends Error {
  /** `locked`: another process has it. `unwritable`: the file system says no. `version`: another format. */
  readonly code: 'locked' | 'unwritable' | 'version';

  constructor(code: DataDirError['code'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'DataDirError';
    this.code = code;
  }
}

/** A cache directory that this process holds. */
export interface DataDir {
  readonly dir: string;
  /** Tells other commands on this machine where to go, in serving.json (mode 0600). `address` is a URL. */
  writeServing(info: { readonly address: string; readonly pid: number; readonly secret: string }): Promise<void>;
  /** Removes serving.json and gives the directory up; again is harmless. */
  close(): Promise<void>;
}

const PROBE = '.probe-';

/** What the commonest errors mean for the person who chose the directory. */
const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'something that is no directory has its name',
  ENOTDIR: 'a part of its path is no directory',
  ENOENT: 'it cannot be made where it would lie',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the file system is full',
};

/** The number of the on-disk format, in VERSION. */
const FORMAT = '1';
const SUBDIRECTORIES = [join('blobs', 'sha1'), 'manifests', 'partial', 'quarantine'];
// bford.info/cachedir: backup programs leave such a directory out.
const CACHEDIR_TAG = `Signature: 8a477f597d28d172789f06886806bc55
# This directory is the cache of an imgapi-mirror. What is in it can be fetched again.
`;

/**
 * Makes the directory if need be, and takes it. The lock is the kernel's, so it is free as soon as its holder is gone,
 * however it went.
 * @throws DataDirError
 */
export async function openDataDir(
  deps: { readonly log: Log },
  options: { readonly dir: string; readonly pid: number },
): Promise<DataDir> {
  const { dir, pid } = options;
  await writing(dir, () => probe(dir));
  const lock = await takeLock(dir);
  try {
    await checkVersion(dir);
    await writing(dir, async () => {
      await makeTree(dir);
      if ((await readServing(dir)) !== undefined)
        deps.log.info({ dir }, 'an earlier process left without closing the cache');
      // So that a second process can name this one before it serves, or if it never does.
      await replaceFile(servingFile(dir), `${JSON.stringify({ pid })}\n`, 0o600);
    });
  } catch (error) {
    lock.close();
    throw error;
  }
  return {
    dir,
    async writeServing(info) {
      const { address, secret } = info;
      const text = `${JSON.stringify({ pid: info.pid, address, secret })}\n`;
      await writing(dir, () => replaceFile(servingFile(dir), text, 0o600));
    },
    async close() {
      if (!lock.isOpen) return;
      try {
        // Before the lock goes: after that the file may be another process's.
        await rm(servingFile(dir), { force: true });
      } finally {
        if (lock.isOpen) lock.close();
      }
    },
  };
}

/** Makes the directory and writes to it, so that what is wrong with it is known by its errno and not as a sqlite code. */
async function probe(dir: string): Promise<void> {
  await makeDir(dir, 0o755);
  const path = join(dir, `${PROBE}${randomUUID()}`);
  await writeFile(path, '');
  await unlink(path);
}

/** The open transaction is the lock; closing the database gives it up. Never open the file any other way: POSIX drops a
 * process's locks on a file when it closes any descriptor of it. */
async function takeLock(dir: string): Promise<DatabaseSync> {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(join(dir, 'lock.sqlite'), { timeout: 0 });
    // Without the journal in memory a lock.sqlite-journal would lie beside it as long as the lock is held.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database?.close();
    if (sqliteCodeOf(error) === SQLITE.busy) throw new DataDirError('locked', await lockedMessage(dir), error);
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataDirError('unwritable', `cache directory ${dir}: lock.sqlite cannot be locked: ${reason}`, error);
  }
}

async function lockedMessage(dir: string): Promise<string> {
  // Only for the message: if the holder cannot be read, it is not named.
  const holder = await readServing(dir).catch(() => undefined);
  if (holder === undefined) return `cache directory ${dir} is in use by another process`;
  const where = holder.address === undefined ? '' : `, which serves ${holder.address}`;
  return `cache directory ${dir} is in use by process ${holder.pid}${where}`;
}

async function checkVersion(dir: string): Promise<void> {
  const path = join(dir, 'VERSION');
  const found = await writing(dir, () => readSmallFile(path, 1024));
  if (found === undefined) await writing(dir, () => replaceFile(path, `${FORMAT}\n`));
  const problem = formatProblem(dir, found);
  if (problem !== undefined) throw new DataDirError('version', problem);
}

/** What is wrong with the format of a cache directory. @throws the file system's error if VERSION cannot be read. */
export async function unknownFormat(dir: string): Promise<string | undefined> {
  return formatProblem(dir, await readSmallFile(join(dir, 'VERSION'), 1024));
}

/** `found`: what VERSION says; undefined: there is none yet. */
function formatProblem(dir: string, found: string | undefined): string | undefined {
  if (found === undefined || found.trim() === FORMAT) return undefined;
  const number = JSON.stringify(found.trim().slice(0, 40));
  return `cache directory ${dir} has format ${number}, this program knows format "${FORMAT}" only`;
}

async function makeTree(dir: string): Promise<void> {
  for (const name of SUBDIRECTORIES) await mkdir(join(dir, name), { recursive: true, mode: 0o755 });
  const tag = join(dir, 'CACHEDIR.TAG');
  if ((await readSmallFile(tag, 1024)) !== CACHEDIR_TAG) await replaceFile(tag, CACHEDIR_TAG);
  await syncDir(join(dir, 'blobs'));
  await syncDir(dir);
}

/** Says of a failure what the operator can do something about: the directory, the path and the errno. */
async function writing<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    const found = error instanceof Error && 'path' in error && typeof error.path === 'string' ? error.path : dir;
    // The probe is our own business: what failed is the directory.
    const path = found.includes(PROBE) ? dir : found;
    const words = REASONS[errno] === undefined ? '' : ` (${REASONS[errno]})`;
    throw new DataDirError('unwritable', `cache directory ${dir} cannot be used: ${errno} at ${path}${words}`, error);
  }
}
