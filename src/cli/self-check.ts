/**
 * What must be right around the mirror for it to work: the cache directory, the disk, the records, this process. Found at
 * start and by `config check`, not by the first client.
 */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, open, rmdir, stat, statfs, unlink, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { formatSize, roughSize } from '../config/units.ts';
import { unknownFormat } from '../records/data-dir.ts';
import { servingFile } from '../records/serving-file.ts';
import { readTextFile } from './read-text-file.ts';

export interface Finding {
  /** An error refuses to start. */
  readonly severity: 'error' | 'warning';
  /** What was looked at; constant, for the log. */
  readonly check: 'runtime' | 'directory' | 'format' | 'space' | 'records' | 'open-files';
  /** One line that says what is wrong and names it. */
  readonly message: string;
  /** True: this user may not; another one, such as the mirror's, perhaps may. */
  readonly isForbidden?: boolean;
}

export interface SelfCheckOptions {
  /** The cache directory, absolute; it need not exist yet. */
  readonly dir: string;
  readonly minFreeBytes: number;
  /** Where the kernel tells this process's limits. Default `/proc/self/limits`; not there: not checked. */
  readonly limitsFile?: string;
}

/** Files are moved between these by renaming. */
const SUBDIRECTORIES = ['blobs', path.join('blobs', 'sha1'), 'manifests', 'partial', 'quarantine'];
/** Every client and every running download holds one or two. */
const MIN_OPEN_FILES = 1024;
/** What every sqlite file begins with (sqlite.org/fileformat2.html, section 1.3). */
const SQLITE_MAGIC = 'SQLite format 3\0';

/** All that is found, errors first. Never throws; leaves nothing behind. */
export async function selfCheck(options: SelfCheckOptions): Promise<Finding[]> {
  const { dir, minFreeBytes, limitsFile = '/proc/self/limits' } = options;
  const place = await nearestExisting(dir);
  const findings = [
    ...runtimeFindings(),
    ...(await directoryFindings(dir, place)),
    ...(await recordsFindings(dir)),
    ...(await spaceFindings(dir, place, minFreeBytes)),
    ...(await openFilesFindings(limitsFile)),
  ];
  return findings.toSorted((a, b) => Number(a.severity === 'warning') - Number(b.severity === 'warning'));
}

/** Alone, before anything is loaded that would fail without it. */
export function runtimeFindings(): Finding[] {
  if (isBuiltin('node:sqlite')) return [];
  return [error('runtime', 'this Node was built without node:sqlite; the one from nodejs.org would do')];
}

/** The directory itself, or the nearest one above it that exists. */
export async function nearestExisting(dir: string): Promise<string> {
  for (let place = dir; ; place = path.dirname(place)) {
    // Whatever keeps it from being seen is found when it is used.
    const isThere = await stat(place).then(
      () => true,
      (cause: unknown) => codeOf(cause) !== 'ENOENT',
    );
    if (isThere || place === path.dirname(place)) return place;
  }
}

async function directoryFindings(dir: string, place: string): Promise<Finding[]> {
  try {
    const root = await stat(place);
    if (!root.isDirectory()) return [unusable(dir, 'ENOTDIR', place)];
    if (place !== dir) {
      // Permissions do not tell: there are file systems that take no directory from anybody.
      const probe = path.join(place, `.probe-${randomUUID()}`);
      await mkdir(probe);
      await rmdir(probe);
      return [];
    }
    const probe = path.join(dir, `.probe-${randomUUID()}`);
    await writeFile(probe, '');
    await unlink(probe);
    const findings: Finding[] = [];
    for (const name of SUBDIRECTORIES) findings.push(...(await subdirectoryFindings(dir, name, root.dev)));
    findings.push(...(await leftFindings(dir)));
    const format = await unknownFormat(dir);
    return format === undefined ? findings : [...findings, error('format', format)];
  } catch (cause) {
    return [unusable(dir, codeOf(cause), place)];
  }
}

/** What a mirror that broke off left is read at start, and another user's may not be: it holds a secret. */
async function leftFindings(dir: string): Promise<Finding[]> {
  const file = servingFile(dir);
  try {
    await access(file, constants.R_OK);
    return [];
  } catch (cause) {
    return codeOf(cause) === 'ENOENT' ? [] : [unusable(dir, codeOf(cause), file)];
  }
}

async function subdirectoryFindings(dir: string, name: string, device: number): Promise<Finding[]> {
  const place = path.join(dir, name);
  try {
    const found = await stat(place);
    if (!found.isDirectory()) return [unusable(dir, 'ENOTDIR', place)];
    await access(place, constants.R_OK | constants.W_OK | constants.X_OK);
    if (found.dev === device) return [];
    const message = `cache directory ${dir}: ${name} is on another file system; all of it must be on one`;
    return [error('directory', message)];
  } catch (cause) {
    // Made at start.
    return codeOf(cause) === 'ENOENT' ? [] : [unusable(dir, codeOf(cause), place)];
  }
}

/** Only its beginning is read here: it may be in use. It is checked whole when it is opened. */
async function recordsFindings(dir: string): Promise<Finding[]> {
  const file = path.join(dir, 'records.sqlite');
  try {
    await using handle = await open(file, constants.O_RDWR | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SQLITE_MAGIC.length), 0, SQLITE_MAGIC.length, 0);
    if (bytesRead === 0 || buffer.toString('latin1') === SQLITE_MAGIC) return [];
    const message = `${file} is damaged; it is set aside at start and begun anew, and no image is lost`;
    return [{ severity: 'warning', check: 'records', message }];
  } catch (cause) {
    const code = codeOf(cause);
    // Where the directory itself cannot be used, that has been said.
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    return [error('records', `${file} cannot be used: ${code}`, code)];
  }
}

async function spaceFindings(dir: string, place: string, minFreeBytes: number): Promise<Finding[]> {
  try {
    const { bavail, bsize } = await statfs(place);
    const free = bavail * bsize;
    if (free >= minFreeBytes) return [];
    const wanted = `cache.minFreeBytes ${formatSize(minFreeBytes)}`;
    const message = `the file system of ${dir} has ${roughSize(free)} free, less than ${wanted}: new files may be passed through uncached`;
    return [{ severity: 'warning', check: 'space', message }];
  } catch (cause) {
    const code = codeOf(cause);
    // Where the directory itself cannot be used, that has been said.
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return [];
    return [error('space', `the free space of ${place} cannot be read: ${code}`)];
  }
}

async function openFilesFindings(limitsFile: string): Promise<Finding[]> {
  const limits = await readTextFile(limitsFile, 64 * 1024);
  const soft = limits.ok ? /^Max open files\s+(\d+)/m.exec(limits.text)?.[1] : undefined;
  // Not there, or `unlimited`.
  if (soft === undefined || Number(soft) >= MIN_OPEN_FILES) return [];
  const message = `this process may open ${soft} files only; with fewer than ${MIN_OPEN_FILES} many clients at once fail (ulimit -n)`;
  return [{ severity: 'warning', check: 'open-files', message }];
}

function unusable(dir: string, code: string, place: string): Finding {
  return error('directory', `cache directory ${dir} cannot be used: ${code} at ${place}`, code);
}

function error(check: Finding['check'], message: string, code?: string): Finding {
  return { severity: 'error', check, message, isForbidden: code === 'EACCES' || code === 'EPERM' };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
}
