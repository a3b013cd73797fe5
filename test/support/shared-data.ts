import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { TestContext } from 'node:test';

const SHARED_DATA = new URL('../../../shared/data/', import.meta.url);

/**
 * A catalog of real manifests from `shared/data` beside the checkout: the file's JSON array, as found.
 * Where the file is absent the test is marked as skipped, with the reason, and `undefined` comes back: return at once.
 *
 *     const entries = await loadSharedCatalog(t, 'jpc-cloudapi-2016-04-28.json');
 *     if (entries === undefined) return;
 */
export async function loadSharedCatalog(t: TestContext, name: string): Promise<unknown[] | undefined> {
  const path = fileURLToPath(new URL(name, SHARED_DATA));
  if (!existsSync(path)) {
    t.skip(`no ${path}: the catalogs of shared/data are not beside this checkout`);
    return undefined;
  }
  const entries: unknown = JSON.parse(await readFile(path, 'utf8'));
  if (!Array.isArray(entries)) throw new TypeError(`${path} holds no JSON array`);
  return entries;
}
