/** A mirror of the scripted day, and what its clients and its operator ask of it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TestFile, TestImage } from '../../support/images.ts';
import { rawRequest, type RawRequestOptions, type RawResponse } from '../../support/raw-request.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { tlsText } from '../../support/tls.ts';
import { startMirror } from './started-mirror.ts';

const ENTRY = fileURLToPath(new URL('../../../bin/imgapi-mirror.js', import.meta.url));
const TOKEN = 'the-token-of-the-day';
/** A mount that nobody else sees, and that ends with its process. Without root: as root of a user namespace. */
const OWN_MOUNTS = ['--mount', ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'])];

export interface DayMirror {
  readonly url: string;
  /** Of its cache, as this process reaches it. */
  readonly cacheDir: string;
  get(path: string, options?: Partial<RawRequestOptions>): Promise<RawResponse>;
  /** The status of a file, whatever becomes of its body: being broken off is how wrong bytes end. */
  askFile(image: TestImage): Promise<number>;
  /** Gets a file, whole and right, and says where it came from: HIT, MISS, JOIN, PASS. */
  fetchRight(image: TestImage): Promise<string>;
  /** A verb of the API, with the token. */
  change(verb: string, body: object): Promise<void>;
  reload(): void;
}

export interface DayMirrorOptions {
  readonly upstreams: readonly object[];
  readonly env?: Readonly<Record<string, string>>;
  /** MiB of a file system of its own for its cache. Default: the one of temporary files. */
  readonly diskMegabytes?: number;
}

/** Undefined where processes may have a mount of their own; else why not. */
export function whyNoMounts(): string | undefined {
  const { status, stderr, error } = spawnSync('unshare', [...OWN_MOUNTS, 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}

export async function startDayMirror(t: TestContext, options: DayMirrorOptions): Promise<DayMirror> {
  const { upstreams, env = {}, diskMegabytes } = options;
  const dir = await makeTempDir(t);
  const serve = [process.execPath, ENTRY, 'serve', '--cache-dir', join(dir, 'cache')] as const;
  const mount = `mount -t tmpfs -o size=${diskMegabytes}m tmpfs "$0" && exec "$@"`;
  const onOwnDisk = ['unshare', ...OWN_MOUNTS, 'sh', '-c', mount, dir, ...serve] as const;
  const { url, pid, child } = await startMirror(t, diskMegabytes === undefined ? serve : onOwnDisk, {
    IMGAPI_MIRROR_LISTEN_HOST: '127.0.0.1',
    IMGAPI_MIRROR_LISTEN_PORT: '0',
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0B',
    IMGAPI_MIRROR_CATALOG_REFRESH_EVERY: '1s',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify(upstreams),
    IMGAPI_MIRROR_ADMIN_TOKEN: TOKEN,
    ...env,
  });
  const { port, protocol } = new URL(url);
  const secure = protocol === 'https:' ? { ca: tlsText('rsa.cert.pem') } : {};

  async function get(path: string, more: Partial<RawRequestOptions> = {}): Promise<RawResponse> {
    return rawRequest({ port: Number(port), path, deadlineMs: 30_000, ...secure, ...more });
  }

  return {
    url,
    cacheDir: join(`/proc/${pid}/root`, dir, 'cache'),
    get,
    async askFile({ uuid }) {
      const { status } = await get(`/images/${uuid}/file`, { keepBody: false });
      return status;
    },
    async fetchRight(image) {
      const answer = await get(`/images/${image.uuid}/file`, { hash: true, keepBody: 'errors' });
      assert.equal(answer.status, 200, answer.body.toString());
      assert.ok(answer.endedCleanly, String(answer.brokenBy));
      assert.equal(answer.sha1, fileOf(image).sha1);
      return String(answer.headers['x-cache']);
    },
    async change(verb, body) {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
      const answer = await get(`/_mirror/api/${verb}`, { method: 'POST', headers, body: JSON.stringify(body) });
      assert.equal(answer.status, 200, `${verb}: ${answer.body.toString()}`);
    },
    reload: () => void child.kill('SIGHUP'),
  };
}

export function fileOf({ files: [file] }: TestImage): TestFile {
  assert.ok(file);
  return file;
}

/** Where the cache has it once it is whole. */
export function blobPath({ cacheDir }: DayMirror, image: TestImage): string {
  const { sha1 } = fileOf(image);
  return join(cacheDir, 'blobs', 'sha1', sha1.slice(0, 2), sha1);
}

/** And where until then. */
export function partialPath({ cacheDir }: DayMirror, image: TestImage): string {
  return join(cacheDir, 'partial', fileOf(image).sha1);
}
