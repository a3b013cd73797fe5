/** The few files that pages need. They are served under a name that changes with them, so that browsers keep them for good. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

const SCRIPT = 'text/javascript; charset=utf-8';
const FILES: Readonly<Record<string, string>> = {
  'page.css': 'text/css; charset=utf-8',
  'page.js': SCRIPT,
  'figures.js': SCRIPT,
  'actions.js': SCRIPT,
  'jobs.js': SCRIPT,
  'verbs.js': SCRIPT,
  'api.js': SCRIPT,
  'words.js': SCRIPT,
  'icon.svg': 'image/svg+xml',
};

/** Of those that a document names. */
export interface AssetUrls {
  readonly style: string;
  readonly script: string;
  /** What the script imports, and that in turn: asked for with it, not one after the other. */
  readonly modules: readonly string[];
  readonly icon: string;
}

export interface Asset {
  readonly body: Buffer;
  readonly contentType: string;
}

export interface Assets {
  readonly urls: AssetUrls;
  /** Of all of them together; without quotes. */
  readonly etag: string;
  /** Undefined: no such file, or one of another version. */
  readonly get: (hash: string, name: string) => Asset | undefined;
}

/** Where they are served. */
export const ASSETS = '/_mirror/assets';

/** Reads them from beside this file, in a checkout as in what is built. */
export async function loadAssets(): Promise<Assets> {
  const files = new Map<string, Asset>();
  const hash = createHash('sha256');
  for (const [name, contentType] of Object.entries(FILES)) {
    const body = await readFile(new URL(`./assets/${name}`, import.meta.url));
    hash.update(body);
    files.set(name, { body, contentType });
  }
  const etag = hash.digest('hex').slice(0, 16);
  const urlOf = (name: string): string => `${ASSETS}/${etag}/${name}`;
  return {
    urls: {
      style: urlOf('page.css'),
      script: urlOf('page.js'),
      modules: Object.keys(FILES)
        .filter((name) => name.endsWith('.js') && name !== 'page.js')
        .map(urlOf),
      icon: urlOf('icon.svg'),
    },
    etag,
    get: (wanted, name) => (wanted === etag ? files.get(name) : undefined),
  };
}
