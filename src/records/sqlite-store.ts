/**
 * A Keyv 6 storage adapter over node:sqlite: no addon to compile, nothing but Node.
 */
import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { StatementSync } from 'node:sqlite';
import { keyvStorageCapability } from 'keyv';
import type { KeyvStorageCapability, KeyvStorageEntry } from 'keyv';
import { MirrorError } from '../imgapi/errors.ts';
import { sqliteCodeOf, SQLITE } from './sqlite-code.ts';

export interface SqliteStore {
  /** Set by Keyv; keys are stored as `<namespace>:<key>`. One Keyv with a namespace per store, the last one set wins. */
  namespace?: string | undefined;
  readonly capabilities: KeyvStorageCapability;
  /** Where a damaged file of an earlier run was moved, if there was one; the caller tells the operator. */
  readonly setAside: string | undefined;
  get(key: string): Promise<string | undefined>;
  getMany(keys: string[]): Promise<(string | undefined)[]>;
  /** `expires` is absolute, in ms since 1970; undefined means never. `value` is text, as Keyv's serialization makes it. */
  set(key: string, value: unknown, expires?: number): Promise<boolean>;
  setMany(entries: KeyvStorageEntry<unknown>[]): Promise<boolean[]>;
  has(key: string): Promise<boolean>;
  hasMany(keys: string[]): Promise<boolean[]>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean[]>;
  /** Removes the namespace's entries; all, if there is no namespace. */
  clear(): Promise<void>;
  /** What Keyv calls; the same as `close`. */
  disconnect(): Promise<void>;
  /** Closes the file; again is harmless. Later calls reject. */
  close(): void;
}

export interface SqliteStoreDeps {
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

// Expired rows are invisible at once; they are removed a few at a time, so that no call blocks the event loop for long.
const SWEEP_EVERY_MS = 10_000;
const SWEEP_ROWS = 500;

// Not WITHOUT ROWID: that would put values of 2 MB into the tree that keys are looked up in.
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (key TEXT PRIMARY KEY, value TEXT NOT NULL, expires INTEGER);
  CREATE INDEX IF NOT EXISTS records_by_expiry ON records (expires) WHERE expires IS NOT NULL;
`;

/**
 * Opens the store in `file`, or begins one. A file that is damaged, or is no such store, is renamed to
 * `<file>.corrupt-<time>` and a new one begun: what is in here can all be fetched again.
 * @throws MirrorError InternalError if the file cannot be opened for another reason.
 */
export function createSqliteStore(file: string, deps: SqliteStoreDeps = {}): SqliteStore {
  const now = deps.now ?? Date.now;
  try {
    return new SqliteAdapter(openDatabase(file), now, undefined);
  } catch (error) {
    if (!isDamage(error)) throw openError(file, error);
  }
  const setAside = `${file}.corrupt-${now()}`;
  try {
    renameSync(file, setAside);
    // They belong to the old file; left in place, sqlite would apply them to the new one.
    for (const suffix of ['-wal', '-shm']) {
      if (existsSync(file + suffix)) renameSync(file + suffix, setAside + suffix);
    }
    return new SqliteAdapter(openDatabase(file), now, setAside);
  } catch (error) {
    throw openError(file, error);
  }
}

function openDatabase(file: string): DatabaseSync {
  // One process holds the cache directory, so nobody else should have it locked; a backup tool may, for a moment.
  const database = new DatabaseSync(file, { timeout: 250 });
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 16777216');
    const check = database.prepare('PRAGMA quick_check(1)').get();
    if (check?.['quick_check'] !== 'ok') throw new DamagedError(String(check?.['quick_check']));
    database.exec(SCHEMA);
    // Fails on a table of that name with other columns.
    database.prepare('SELECT key, value, expires FROM records LIMIT 0').get();
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class DamagedError extends Error {}

function isDamage(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  return (
    error instanceof DamagedError || code === SQLITE.corrupt || code === SQLITE.notADatabase || code === SQLITE.error
  );
}

function openError(file: string, cause: unknown): MirrorError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MirrorError('InternalError', `the records could not be opened: ${reason}`, { cause, details: { file } });
}

/** Its methods are async because Keyv's are: what they throw must arrive as a rejection. */
class SqliteAdapter implements SqliteStore {
  namespace?: string | undefined;
  readonly setAside: string | undefined;
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #select: StatementSync;
  readonly #upsert: StatementSync;
  readonly #remove: StatementSync;
  readonly #sweep: StatementSync;
  #sweptAt: number;

  constructor(database: DatabaseSync, now: () => number, setAside: string | undefined) {
    this.#database = database;
    this.#now = now;
    this.setAside = setAside;
    this.#sweptAt = now();
    this.#select = database.prepare('SELECT value FROM records WHERE key = ? AND (expires IS NULL OR expires > ?)');
    this.#upsert = database.prepare('INSERT OR REPLACE INTO records (key, value, expires) VALUES (?, ?, ?)');
    this.#remove = database.prepare('DELETE FROM records WHERE key = ?');
    this.#sweep = database.prepare(
      `DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE expires <= ? LIMIT ${SWEEP_ROWS})`,
    );
  }

  get capabilities(): KeyvStorageCapability {
    return keyvStorageCapability(this);
  }

  async get(key: string): Promise<string | undefined> {
    const value = this.#select.get(this.#fullKey(key), this.#now())?.['value'];
    return typeof value === 'string' ? value : undefined;
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    if (typeof value !== 'string') throw new TypeError('the sqlite store keeps text only');
    this.#upsert.run(this.#fullKey(key), value, expires ?? null);
    this.#sweepSometimes();
    return true;
  }

  async setMany(entries: KeyvStorageEntry<unknown>[]): Promise<boolean[]> {
    // One transaction, so one write to the log. No await before its end: the statements of others must not get into it.
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      for (const { key, value, expires } of entries) {
        if (typeof value !== 'string') throw new TypeError('the sqlite store keeps text only');
        this.#upsert.run(this.#fullKey(key), value, expires ?? null);
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      // A full disk or an I/O error has already rolled it back.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
    this.#sweepSometimes();
    return entries.map(() => true);
  }

  async has(key: string): Promise<boolean> {
    return this.#select.get(this.#fullKey(key), this.#now()) !== undefined;
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  async delete(key: string): Promise<boolean> {
    return this.#remove.run(this.#fullKey(key)).changes > 0;
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  async clear(): Promise<void> {
    if (this.namespace === undefined) {
      this.#database.exec('DELETE FROM records');
      return;
    }
    // A range and not LIKE, which would take % and _ in a namespace for wildcards. ';' is the character after ':'.
    const clear = this.#database.prepare('DELETE FROM records WHERE key >= ? AND key < ?');
    clear.run(`${this.namespace}:`, `${this.namespace};`);
  }

  async disconnect(): Promise<void> {
    this.close();
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #fullKey(key: string): string {
    return this.namespace === undefined ? key : `${this.namespace}:${key}`;
  }

  #sweepSometimes(): void {
    const now = this.#now();
    if (now - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = now;
    this.#sweep.run(now);
  }
}
