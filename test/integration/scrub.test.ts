/** Stored bytes that go bad are found, set aside and fetched anew, and no client is served them. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { OperationEvent } from '../../src/operations/operation.ts';
import { resultOf } from '../../src/operations/results.ts';
import { makeImage, type TestFile, type TestImage } from '../support/images.ts';
import { startImageServer } from '../support/image-server.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { rawRequest, type RawResponse } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';

const MIB = 1024 * 1024;

async function get(mirror: TestMirror, image: TestImage): Promise<RawResponse> {
  return rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file` });
}

function fileOf(image: TestImage): TestFile {
  const [file] = image.files;
  assert(file);
  return file;
}

function blobPath(mirror: TestMirror, image: TestImage): string {
  const { sha1 } = fileOf(image);
  return join(mirror.dir, 'blobs', 'sha1', sha1.slice(0, 2), sha1);
}

/** Turns one bit over, as a disk does it: without a new time of change. */
async function rot(path: string, at: number): Promise<void> {
  // Dates are in ms, times of files in ns.
  const times = `${path}.times`;
  execFileSync('touch', ['-r', path, times]);
  const handle = await open(path, 'r+');
  try {
    const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, at);
    await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, at);
  } finally {
    await handle.close();
  }
  execFileSync('touch', ['-r', times, path]);
  await rm(times);
}

async function store(mirror: TestMirror, images: readonly TestImage[]): Promise<void> {
  for (const image of images) {
    await get(mirror, image);
    await until(() => stat(`${join(mirror.dir, 'manifests', image.uuid)}.json`));
  }
}

async function scrubNow(mirror: TestMirror, signal = new AbortController().signal) {
  const events: OperationEvent[] = [];
  const onEvent = (event: OperationEvent): void => void events.push(event);
  const result = resultOf('scrub', await mirror.app.operations.scrub.run({}, { signal, onEvent }));
  return { result, events };
}

test('scrub finds one wrong bit, sets the blob aside, fetches it anew, and the next client has the right bytes', async (t) => {
  const images = ['sound', 'rotten', 'small'].map((name, n) => makeImage({ name, size: n === 2 ? 10 : 3 * MIB + n }));
  const [, rotten] = images;
  assert(rotten);
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await store(mirror, images);
  const bytes = images.reduce((sum, image) => sum + fileOf(image).size, 0);
  const clean = await scrubNow(mirror);
  assert.deepEqual(clean.result, {
    checked: 3,
    bytes,
    rotted: [],
    repaired: [],
    failed: [],
    refetched: [],
    missing: [],
  });
  assert.deepEqual(clean.events[0], {
    type: 'progress',
    checkedBlobs: 0,
    totalBlobs: 3,
    checkedBytes: 0,
    totalBytes: bytes,
  });
  assert.deepEqual(clean.events.at(-1), {
    type: 'progress',
    checkedBlobs: 3,
    totalBlobs: 3,
    checkedBytes: bytes,
    totalBytes: bytes,
  });

  const { sha1, size } = fileOf(rotten);
  await rot(blobPath(mirror, rotten), 2 * MIB);
  const { result, events } = await scrubNow(mirror);
  const reason = 'sha1 mismatch';
  assert.deepEqual(result, {
    checked: 3,
    bytes,
    rotted: [{ sha1, reason }],
    repaired: [],
    failed: [],
    refetched: [sha1],
    missing: [],
  });
  assert(events.some((event) => event.type === 'rotted'));
  assert(events.some((event) => event.type === 'refetched'));
  assert.equal((await readdir(join(mirror.dir, 'quarantine'))).length, 2);
  const answer = await get(mirror, rotten);
  assert.equal(answer.headers['x-cache'], 'HIT');
  assert(answer.endedCleanly);
  assert.deepEqual(answer.body, fileOf(rotten).bytes());

  assert.equal(await mirror.metric('imgapi_mirror_scrubbed_blobs_total{result="right"}'), 5);
  assert.equal(await mirror.metric('imgapi_mirror_scrubbed_blobs_total{result="rotted"}'), 1);
  // What looks rotten is read twice before it is believed.
  assert.equal(await mirror.metric('imgapi_mirror_scrubbed_bytes_total'), 2 * bytes + size);
  assert.equal(await mirror.metric('imgapi_mirror_scrub_refetches_total{result="stored"}'), 1);
  assert.equal(await mirror.metric('imgapi_mirror_scrub_running'), 0);
  assert((await mirror.metric('imgapi_mirror_scrub_last_success_timestamp_seconds')) > Date.now() / 1000 - 60);
});

test('what rots while no upstream answers is missing, keeps its manifest, and comes with the next client', async (t) => {
  const image = makeImage({ size: 2 * MIB });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await store(mirror, [image]);
  await rot(blobPath(mirror, image), 7);
  upstream.behave = ({ route }) => (route === 'file' ? { status: 404 } : undefined);
  const { result, events } = await scrubNow(mirror);
  assert.equal(result.rotted.length, 1);
  assert.deepEqual(result.refetched, []);
  assert.equal(result.missing[0]?.sha1, fileOf(image).sha1);
  assert(events.some((event) => event.type === 'missing'));
  assert.equal(mirror.log.linesOf(/could not be fetched anew/).length, 1);
  assert(await stat(`${join(mirror.dir, 'manifests', image.uuid)}.json`));
  assert.notEqual((await get(mirror, image)).status, 200);
  upstream.behave = () => undefined;
  const answer = await get(mirror, image);
  assert.equal(answer.headers['x-cache'], 'MISS');
  assert.deepEqual(answer.body, fileOf(image).bytes());
});

test('in the background, too, and after a restart: overdue blobs are read, rotten ones replaced', async (t) => {
  const images = Array.from({ length: 3 }, (_, n) => makeImage({ name: `image-${n}`, size: 200_000 + n }));
  const [first] = images;
  assert(first);
  await using upstream = await startImageServer({ images });
  const before = await startMirror(t, { upstreams: [upstream.url] });
  await store(before, images);
  await before.close();
  for (const image of images) await utimes(blobPath(before, image), new Date(0), new Date(0));
  await rot(blobPath(before, first), 100);
  const { dir } = before;
  const mirror = await startMirror(t, { upstreams: [upstream.url], dir });
  await until(async () => (await mirror.metric('imgapi_mirror_scrubbed_blobs_total{result="right"}')) === 2);
  await until(async () => (await mirror.metric('imgapi_mirror_scrub_refetches_total{result="stored"}')) === 1);
  assert.deepEqual((await get(mirror, first)).body, fileOf(first).bytes());
  await mirror.close();
  // They are as old as before on disk: only the records know that they were checked.
  const again = await startMirror(t, { upstreams: [upstream.url], dir });
  await until(async () => (await again.metric('imgapi_mirror_scrub_last_success_timestamp_seconds')) > 0);
  assert.equal(await again.metric('imgapi_mirror_scrubbed_blobs_total{result="right"}'), 0);
});

test('0 turns the background scrub off; a second scrub on demand joins the first', async (t) => {
  const images = Array.from({ length: 3 }, (_, n) => makeImage({ name: `image-${n}`, size: 2 * MIB + n }));
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { scrubEvery: 0 } });
  await store(mirror, images);
  const [one, other] = await Promise.all([scrubNow(mirror), scrubNow(mirror)]);
  assert.deepEqual(one.result, other.result);
  assert.equal(one.result.checked, 3);
  assert.equal(await mirror.metric('imgapi_mirror_scrubbed_blobs_total{result="right"}'), 3);
  // One that gives up leaves the other alone; with the last one the scrub ends.
  const leaving = new AbortController();
  const left = assert.rejects(scrubNow(mirror, leaving.signal), /enough/);
  const staying = scrubNow(mirror);
  leaving.abort(new Error('enough'));
  await left;
  assert.equal((await staying).result.checked, 3);
});

test('a client in the midst of a blob that is found rotten is broken off, and served right the next time', async (t) => {
  const image = makeImage({ size: 24 * MIB });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await store(mirror, [image]);
  await rot(blobPath(mirror, image), 20 * MIB);
  const response = await fetch(`${mirror.url}/images/${image.uuid}/file`);
  const reader = response.body?.getReader();
  assert(reader);
  await reader.read();
  const { result } = await scrubNow(mirror);
  assert.equal(result.refetched.length, 1);
  await assert.rejects(async () => {
    while (!(await reader.read()).done);
  });
  assert.deepEqual((await get(mirror, image)).body, fileOf(image).bytes());
});

test('one that still follows the download that has brought it goes on without the disk', async (t) => {
  const image = makeImage({ size: 24 * MIB });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const response = await fetch(`${mirror.url}/images/${image.uuid}/file`);
  assert.equal(response.headers.get('x-cache'), 'MISS');
  const reader = response.body?.getReader();
  assert(reader);
  const pieces = [(await reader.read()).value ?? Buffer.alloc(0)];
  await until(async () => (await mirror.metric('imgapi_mirror_downloads_total{result="stored"}')) === 1);
  await rot(blobPath(mirror, image), 20 * MIB);
  const { result } = await scrubNow(mirror);
  assert.equal(result.refetched.length, 1);
  for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value);
  assert.ok(Buffer.concat(pieces).equals(fileOf(image).bytes()));
});

test('an icon that rots is left to the next client; a lost sidecar is written anew', async (t) => {
  const image = makeImage({ size: 100_000, icon: true });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await store(mirror, [image]);
  const icon = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/icon` });
  await rm(`${blobPath(mirror, image)}.json`);
  for (const shard of await readdir(join(mirror.dir, 'blobs', 'sha1'))) {
    for (const name of await readdir(join(mirror.dir, 'blobs', 'sha1', shard))) {
      if (name.length === 40 && name !== fileOf(image).sha1)
        await rot(join(mirror.dir, 'blobs', 'sha1', shard, name), 3);
    }
  }
  const { result } = await scrubNow(mirror);
  assert.equal(result.repaired[0]?.reason, 'sidecar is missing');
  assert.equal(result.missing[0]?.reason, 'it is an icon');
  const again = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/icon` });
  assert.equal(again.headers['x-cache'], 'MISS');
  assert.deepEqual(again.body, icon.body);
  assert.equal((await get(mirror, image)).headers['x-cache'], 'HIT');
});

test('a mirror closes within moments while it reads', async (t) => {
  const images = Array.from({ length: 3 }, (_, n) => makeImage({ name: `image-${n}`, size: 16 * MIB + n }));
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await store(mirror, images);
  const running = assert.rejects(scrubNow(mirror), { code: 'ShuttingDown' });
  await until(async () => (await mirror.metric('imgapi_mirror_scrub_running')) === 1, { everyMs: 1 });
  await mirror.close();
  await running;
});
