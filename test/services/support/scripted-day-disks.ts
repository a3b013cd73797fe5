/** Two disks in the scripted day: one that is too small for what is asked of it, and one that somebody else fills up. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { appendFile, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { startImageServer } from '../../support/image-server.ts';
import { makeImage, type TestImage } from '../../support/images.ts';
import { tlsFile } from '../../support/tls.ts';
import { until } from '../../support/wait-for.ts';
import { partialPath, startDayMirror, type DayMirror } from './scripted-day-mirror.ts';

export const CERT_FILE = tlsFile('rsa.cert.pem');
const DISK_MEGABYTES = 24;

export interface MirrorOfDay {
  readonly mirror: DayMirror;
  /** It is in the list once all are. */
  readonly listed: TestImage;
  /** Plays its part. */
  play(): Promise<void>;
}

/** `cache.maxBytes` of 8 MiB, for one image of 10 MB and three of 3 MB in turn; and somebody asks for what nobody has. It serves HTTPS. */
export async function smallCache(t: TestContext): Promise<MirrorOfDay> {
  const thirds = [1, 2, 3].map((n) => makeImage({ name: `third-${n}`, size: 3_000_000 }));
  const huge = makeImage({ name: 'huge', size: 10_000_000 });
  const server = await startImageServer({ images: [huge, ...thirds] });
  t.after(async () => server.close());
  const mirror = await startDayMirror(t, {
    upstreams: [{ name: 'near', url: server.url, proxy: 'none' }],
    env: {
      IMGAPI_MIRROR_CACHE_MAX_BYTES: '8MiB',
      // A refresh that goes well forgets what was absent: nobody would see it.
      IMGAPI_MIRROR_CATALOG_REFRESH_EVERY: '5m',
      IMGAPI_MIRROR_LISTEN_TLS_CERT_FILE: CERT_FILE,
      IMGAPI_MIRROR_LISTEN_TLS_KEY_FILE: tlsFile('rsa.key.pem'),
    },
  });
  return {
    mirror,
    listed: huge,
    async play() {
      const stranger = `/images/${randomUUID()}`;
      for (let times = 0; times < 2; times++) assert.equal((await mirror.get(stranger)).status, 404);
      assert.equal(await mirror.fetchRight(huge), 'PASS');
      for (const image of [...thirds, ...thirds]) await mirror.fetchRight(image);
    },
  };
}

/** A file system of 24 MiB that is filled to its last byte in the middle of a download, with nothing on it that may go. Clients notice nothing. */
export async function fullDisk(t: TestContext): Promise<MirrorOfDay> {
  const early = makeImage({ name: 'early', size: 2_000_000 });
  const half = makeImage({ name: 'half', size: 10_000_000 });
  const late = makeImage({ name: 'late', size: 4_000_000 });
  const server = await startImageServer({ images: [early, half, late] });
  t.after(async () => server.close());
  server.behave = ({ uuid }) => (uuid === half.uuid ? { rateBytesPerSecond: 4e6, rateScope: 'each' } : undefined);
  const mirror = await startDayMirror(t, {
    upstreams: [{ name: 'near', url: server.url, proxy: 'none' }],
    diskMegabytes: DISK_MEGABYTES,
    env: { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '8MiB' },
  });
  return {
    mirror,
    listed: late,
    async play() {
      assert.equal(await mirror.fetchRight(early), 'MISS');
      await mirror.change('pins', { selectors: ['name=early'] });
      const asking = Promise.all([mirror.fetchRight(half), mirror.fetchRight(half)]);
      const partial = partialPath(mirror, half);
      await until(async () => (await stat(partial)).size > 2e6, { what: 'a download is under way' });
      // There was room when it was reserved.
      const filler = join(dirname(mirror.cacheDir), 'somebody-elses');
      await fillUp(filler);
      assert.deepEqual((await asking).toSorted(), ['JOIN', 'MISS']);
      // What the download gives back, some of it when its last reader has let go, is taken too.
      await until(async () => (await fillUp(filler)) === 0, { everyMs: 200, what: 'the disk stays full' });
      assert.equal(await mirror.fetchRight(late), 'PASS');
      assert.equal(await mirror.fetchRight(early), 'HIT');
    },
  };
}

/** Writes until the disk says no. @returns the bytes that were free */
async function fillUp(file: string): Promise<number> {
  const { bavail, bsize } = await statfs(dirname(file));
  try {
    for (;;) await appendFile(file, Buffer.alloc(1_000_000));
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && error.code === 'ENOSPC', String(error));
  }
  return bavail * bsize;
}
