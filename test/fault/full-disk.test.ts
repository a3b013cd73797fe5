import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { rawRequest } from '../support/imgadm-client.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestFile } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const SIZE = 12_000_000;

/** A file system of its own, so small that it fills up; undefined, and the test skipped, where none can be mounted. */
async function smallDisk(t: TestContext, megabytes: number): Promise<string | undefined> {
  // Not makeTempDir: its removal would come before the mount is gone.
  const dir = await mkdtemp(path.join(tmpdir(), 'imgapi-mirror-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir], { stdio: 'pipe' });
  } catch (error) {
    await rm(dir, { recursive: true });
    t.skip(`no tmpfs can be mounted here: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
    return undefined;
  }
  t.after(async () => {
    execFileSync('umount', ['-l', dir], { stdio: 'pipe' });
    await rm(dir, { recursive: true });
  });
  return dir;
}

test('a disk that fills up in the middle costs no client anything, whatever its speed', async (t) => {
  const dir = await smallDisk(t, 20);
  if (dir === undefined) return;
  const image = makeImage({ size: SIZE });
  const [file] = image.files;
  const behaviour = { rateBytesPerSecond: 8_000_000, rateScope: 'each' } as const;
  await using upstream = await startImageServer({ images: [image], behaviour });
  const mirror = await startMirror(t, { upstreams: [upstream.url], dir });
  const ask = async (rateBytesPerSecond?: number) =>
    rawRequest({
      port: mirror.port,
      path: `/images/${image.uuid}/file`,
      hash: true,
      ...(rateBytesPerSecond === undefined ? {} : { rateBytesPerSecond }),
    });
  const asking = Promise.all([ask(), ask(6_000_000), ask(3_000_000)]);
  await until(() => (mirror.app.downloads.progressOf(file!.sha1) ?? 0) > 2_000_000);
  const [from, to] = [1_000_000, SIZE - 1_000_000];
  const headers = { Range: `bytes=${from}-${to - 1}` };
  const askingPart = rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, headers });
  await until(() => mirror.app.downloads.running[Symbol.iterator]().next().value?.followers === 4);
  // There was room when it was reserved; somebody else takes it.
  fillUp(path.join(dir, 'filler'));
  const part = await askingPart;
  assert.deepEqual([part.status, part.endedCleanly, part.body.length], [206, true, to - from]);
  assert.ok(part.body.equals(bytesOf(file!, from, to)));
  const answers = await asking;
  for (const answer of answers) {
    assert.equal(answer.status, 200);
    assert.ok(answer.endedCleanly, 'each response ended well');
    assert.equal(answer.sha1, file?.sha1);
  }
  assert.equal(await mirror.metric('imgapi_mirror_blobs'), 0);
  // Behind what is on disk they share one upstream stream, but for those who fall out of its ring.
  const streams = await mirror.metric('imgapi_mirror_pass_throughs_total{result="right"}');
  assert.ok(streams >= 1 && streams <= 4, `${streams} streams`);
  assert.equal(mirror.log.linesOf(/the disk failed: passed through/).length, 4);
  assert.equal(await mirror.metric('imgapi_mirror_downloads_total{result="disk"}'), 1);
  assert.equal(await mirror.metric('imgapi_mirror_downloads_total{result="failed"}'), 0);
  assert.equal(await mirror.metric('imgapi_mirror_ready'), 1, 'a full disk is no reason not to ask');
});

function bytesOf(file: TestFile, from: number, to: number): Buffer {
  const pieces: Buffer[] = [];
  for (let at = from; at < to; at += pieces.at(-1)?.length ?? to) pieces.push(file.read(at, to - at));
  return Buffer.concat(pieces);
}

/** Writes until the disk says no. */
function fillUp(file: string): void {
  try {
    for (;;) appendFileSync(file, Buffer.alloc(1_000_000));
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error && error.code === 'ENOSPC', String(error));
  }
}

test('a disk without a free byte passes everything through from the start', async (t) => {
  const dir = await smallDisk(t, 6);
  if (dir === undefined) return;
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], dir });
  const answer = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, hash: true });
  assert.equal(answer.headers['x-cache'], 'PASS');
  assert.equal(answer.sha1, image.files[0]?.sha1);
});
