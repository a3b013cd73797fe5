/**
 * `maxBytes` and `minFreeBytes` hold when ten times as much is asked for, by many at once. Measured by the file system:
 * a peer's books said there was room until the disk was full (bazel-remote, issue 712).
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { diskUse, inTurns, sample, steadyDiskUse } from './disk-use.ts';

const MIB = 1024 * 1024;
const run = promisify(execFile);

function makeImages(count: number, size: number): TestImage[] {
  return Array.from({ length: count }, (_, n) => makeImage({ name: `image-${n}`, size: size + n }));
}

async function fetchRight(mirror: TestMirror, image: TestImage): Promise<string> {
  const answer = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, hash: true });
  assert.equal(answer.status, 200);
  assert.equal(answer.sha1, image.files[0]?.sha1);
  return String(answer.headers['x-cache']);
}

test('maxBytes holds on the disk while 30 clients at a time ask for ten times as much, and every one is served right', async (t) => {
  const maxBytes = 24 * MIB;
  const images = makeImages(80, 3 * MIB);
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes } });
  const stop = sample(() => steadyDiskUse(mirror.dir));
  await inTurns(images, 30, async (image) => {
    await fetchRight(mirror, image);
  });
  const measured = await stop();
  assert.ok(Math.max(...measured) <= maxBytes, `at most ${maxBytes}, found ${Math.max(...measured)}`);
  assert.ok(Math.max(...measured) > 3 * MIB, 'something was kept');
  assert.ok(measured.length > 10);
  assert.ok((await mirror.metric('imgapi_mirror_evicted_bytes_total{reason="demand"}')) > 0);
  // What is left over from the crowd is still a cache: one after the other, the newest are kept.
  const [last] = images.slice(-1);
  assert.ok(last);
  await fetchRight(mirror, last);
  assert.equal(await fetchRight(mirror, last), 'HIT');
  assert.ok((await diskUse(mirror.dir)) <= maxBytes);
});

test('one after the other, the least recently used goes, its manifest too; the books agree with the disk', async (t) => {
  const maxBytes = 10 * MIB;
  const images = makeImages(4, 3 * MIB - 100_000);
  const [first, second, third, fourth] = images;
  assert.ok(first && second && third && fourth);
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes } });
  for (const image of [first, second, third]) assert.equal(await fetchRight(mirror, image), 'MISS');
  assert.equal(await fetchRight(mirror, first), 'HIT');
  assert.equal(await fetchRight(mirror, fourth), 'MISS');
  await until(async () => (await readdir(join(mirror.dir, 'manifests'))).includes(`${fourth.uuid}.json`));
  const kept = (await readdir(join(mirror.dir, 'manifests'))).toSorted();
  assert.deepEqual(kept, [first, third, fourth].map(({ uuid }) => `${uuid}.json`).toSorted());
  assert.equal(await fetchRight(mirror, first), 'HIT');
  // Once more: its manifest comes back with it.
  assert.equal(await fetchRight(mirror, second), 'MISS');
  await until(async () => (await readdir(join(mirror.dir, 'manifests'))).includes(`${second.uuid}.json`));
  // A scrape that comes while the disk is busy shows what the last one found.
  await until(async () => {
    const used = await mirror.metric('imgapi_mirror_cache_used_bytes');
    const found = await diskUse(mirror.dir);
    assert.ok(used <= maxBytes);
    return Math.abs(used - found) < 200_000;
  });
});

test('minFreeBytes holds on a small disk of its own while 30 clients at a time ask for ten times as much', async (t) => {
  const parent = await makeTempDir(t);
  const disk = join(parent, 'disk');
  await mkdir(disk);
  try {
    await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', disk]);
  } catch (error) {
    t.skip(
      `a small file system cannot be mounted here: ${error instanceof Error ? error.message.trim() : 'no reason'}`,
    );
    return;
  }
  const mounted = new AsyncDisposableStack();
  mounted.defer(async () => {
    await run('umount', [disk]);
  });
  try {
    const minFreeBytes = 24 * MIB;
    const images = makeImages(80, 3 * MIB);
    await using upstream = await startImageServer({ images });
    const mirror = await startMirror(t, {
      upstreams: [upstream.url],
      dir: join(disk, 'cache'),
      cache: { minFreeBytes },
    });
    mounted.defer(async () => mirror.close());
    const stop = sample(async () => {
      const { bavail, bsize } = await statfs(disk);
      return bavail * bsize;
    });
    await inTurns(images, 30, async (image) => {
      await fetchRight(mirror, image);
    });
    const measured = await stop();
    // The records are not asked for room: they are small, and the list was there before the first sample.
    assert.ok(
      Math.min(...measured) >= minFreeBytes - 256 * 1024,
      `${minFreeBytes} free, found ${Math.min(...measured)}`,
    );
    assert.ok((await mirror.metric('imgapi_mirror_evicted_bytes_total{reason="demand"}')) > 0);
    assert.ok((await mirror.metric('imgapi_mirror_blobs')) > 0);
  } finally {
    // Before the temporary directory goes.
    await mounted.disposeAsync();
  }
});
