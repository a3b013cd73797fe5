/** Whether some process holds a cache directory, found out without taking it. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SQLITE, sqliteCodeOf } from './sqlite-code.ts';

/** False where there is no such directory, or nobody ever held it. @throws what keeps the lock from being looked at. */
export async function isHeld(cacheDir: string): Promise<boolean> {
  const file = join(cacheDir, 'lock.sqlite');
  const isThere = await stat(file).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
        return false;
      throw error;
    },
  );
  if (!isThere) return false;
  const database = new DatabaseSync(file, { readOnly: true, timeout: 0 });
  try {
    // Reading takes a shared lock for an instant, which the holder's exclusive one does not allow.
    database.exec('SELECT count(*) FROM sqlite_master');
    return false;
  } catch (error) {
    if (sqliteCodeOf(error) === SQLITE.busy) return true;
    throw error;
  } finally {
    database.close();
  }
}
