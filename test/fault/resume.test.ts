import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { rawRequest } from '../support/imgadm-client.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const SIZE = 4_000_000;
const filePath = (uuid: string): string => `/images/${uuid}/file`;

for (const [how, supportsRange, most] of [
  ['by Range', true, 1.05],
  ['by skipping where the upstream ignores Range', false, 1.55],
] as const) {
  test(`a transfer cut at half goes on in the same response, ${how}, for at most ${most}x the bytes`, async (t) => {
    const image = makeImage({ size: SIZE });
    await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange } });
    upstream.behave = ({ route, attempt }) =>
      route === 'file' && attempt === 1 ? { supportsRange, cutAfterBytes: SIZE / 2 } : undefined;
    const mirror = await startMirror(t, { upstreams: [upstream.url] });
    const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
    assert.ok(answer.endedCleanly);
    assert.equal(answer.sha1, image.files[0]?.sha1);
    assert.ok(upstream.bytesSent <= SIZE * most, `${upstream.bytesSent / SIZE} x`);
    assert.equal(upstream.countOf('file'), 2);
  });
}

for (const lie of ['start', 'end', 'total', 'missing', 'refused'] as const) {
  test(`a source that answers ranges wrong (${lie}) is asked for the whole, in the same response`, async (t) => {
    const image = makeImage({ size: SIZE });
    await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
    upstream.behave = ({ route, attempt, headers }) => {
      if (route !== 'file') return undefined;
      if (headers['range'] !== undefined) return lie === 'refused' ? { status: 416 } : { rangeLie: lie };
      return attempt === 1 ? { cutAfterBytes: SIZE / 2 } : undefined;
    };
    const mirror = await startMirror(t, { upstreams: [upstream.url] });
    const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
    assert.ok(answer.endedCleanly);
    assert.equal(answer.sha1, image.files[0]?.sha1);
    assert.equal(upstream.countOf('file'), 3);
  });
}

test('a part of another version is not put behind what is there: the whole is asked for, and what is there stays', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
  upstream.behave = ({ route, attempt }) => {
    if (route !== 'file') return undefined;
    if (attempt === 1) return { headers: { Etag: '"one"' }, cutAfterBytes: SIZE / 2 };
    // What an image that was replaced at the origin looks like: other bytes, under a tag of their own.
    return attempt === 2 ? { headers: { Etag: '"two"' }, rangeLie: 'shifted' } : { headers: { Etag: '"three"' } };
  };
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.deepEqual([answer.endedCleanly, answer.sha1], [true, image.files[0]?.sha1]);
  const ranges = upstream.requests.filter(({ route }) => route === 'file').map(({ headers }) => headers['range']);
  assert.deepEqual(ranges, [undefined, `bytes=${SIZE / 2}-`, undefined]);
});

for (const [what, etag, most] of [
  ['the same version is gone on with', '"one"', 1],
  ['of another version nothing is taken', '"two"', 2],
] as const) {
  test(`after a restart a part is held against what its partial came with: ${what}`, async (t) => {
    const image = makeImage({ size: SIZE });
    const [file] = image.files;
    await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
    upstream.behave = ({ route }) =>
      route === 'file' ? { headers: { Etag: '"one"' }, stallAfterBytes: SIZE * 0.6 } : undefined;
    const first = await startMirror(t, { upstreams: [upstream.url] });
    const cut = rawRequest({ port: first.port, path: filePath(image.uuid) });
    const partial = path.join(first.dir, 'partial', file!.sha1);
    await until(() => statSync(partial, { throwIfNoEntry: false })?.size === SIZE * 0.6);
    await first.close();
    await cut;
    upstream.forget();
    upstream.behave = ({ route }) => (route === 'file' ? { headers: { Etag: etag } } : undefined);
    const second = await startMirror(t, { upstreams: [upstream.url], dir: first.dir });
    const answer = await rawRequest({ port: second.port, path: filePath(image.uuid), hash: true });
    assert.deepEqual([answer.endedCleanly, answer.sha1], [true, file?.sha1]);
    const ranges = upstream.requests.filter(({ route }) => route === 'file').map(({ headers }) => headers['range']);
    assert.deepEqual(ranges, [`bytes=${SIZE * 0.6}-`, undefined].slice(0, most));
  });
}

test('bytes that stay from another version are found by the SHA-1: nobody gets them to the end, and it heals', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
  upstream.behave = ({ route, attempt }) => {
    if (route !== 'file') return undefined;
    if (attempt === 1) return { headers: { Etag: '"wrong"' }, corruptAtByte: 9, cutAfterBytes: SIZE / 2 };
    return { headers: { Etag: '"right"' } };
  };
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const broken = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(broken.endedCleanly, false);
  const right = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.deepEqual([right.endedCleanly, right.sha1], [true, image.files[0]?.sha1]);
  // Cut; the part that does not fit; the whole behind it; and, of nobody knows whose fault, all of it from one source.
  assert.equal(upstream.countOf('file'), 4);
});

test('a stall is noticed by stallTimeout and the transfer goes on; a slow transfer is left alone', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image] });
  // 1 s of stallTimeout against 3 s of transfer: only silence counts, not the clock.
  const behaviour = { supportsRange: true, rateBytesPerSecond: 1_300_000 };
  upstream.behave = ({ route, attempt }) =>
    route === 'file' ? { ...behaviour, ...(attempt === 1 ? { stallAfterBytes: 500_000 } : {}) } : undefined;
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 1_000 }] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(answer.sha1, image.files[0]?.sha1);
  assert.equal(upstream.countOf('file'), 2);
  assert.ok(upstream.bytesSent <= SIZE * 1.05);
});

test('after a restart the partial is gone on with, for at most 1.45x in all, and its MD5 is told', async (t) => {
  const image = makeImage({ size: SIZE });
  const [file] = image.files;
  await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
  upstream.behave = ({ route }) =>
    route === 'file' ? { supportsRange: true, stallAfterBytes: SIZE * 0.6 } : undefined;
  const first = await startMirror(t, { upstreams: [upstream.url] });
  const cut = rawRequest({ port: first.port, path: filePath(image.uuid) });
  const partial = path.join(first.dir, 'partial', file!.sha1);
  await until(() => statSync(partial, { throwIfNoEntry: false })?.size === SIZE * 0.6);
  await first.close();
  assert.equal((await cut).endedCleanly, false);
  upstream.behave = undefined;
  const second = await startMirror(t, { upstreams: [upstream.url], dir: first.dir });
  const answer = await rawRequest({ port: second.port, path: filePath(image.uuid), hash: true });
  assert.equal(answer.sha1, file?.sha1);
  assert.equal(answer.headers['content-md5'], file?.md5);
  assert.ok(upstream.bytesSent <= SIZE * 1.45, `${upstream.bytesSent / SIZE} x`);
  assert.equal(upstream.requests.at(-1)?.headers['range'], `bytes=${SIZE * 0.6}-`);
  await until(() => second.app.downloads.progressOf(file!.sha1) === undefined);
  assert.deepEqual(readdirSync(path.join(first.dir, 'partial')), []);
});

test('a resumed partial with wrong bytes is fetched whole from one source, and nobody is blamed for it', async (t) => {
  const image = makeImage({ size: SIZE });
  const [file] = image.files;
  await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
  upstream.behave = ({ route, attempt }) =>
    route === 'file' && attempt === 1 ? { supportsRange: true, corruptAtByte: 9, cutAfterBytes: SIZE / 2 } : undefined;
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { finishAbandoned: false } });
  // The first client leaves half-way, so the wrong half stays as a partial.
  await rawRequest({ port: mirror.port, path: filePath(image.uuid), abortAfterBytes: 1_000_000 });
  await until(() => mirror.app.downloads.progressOf(file!.sha1) === undefined);
  const wrong = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(wrong.endedCleanly, false);
  const right = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(right.sha1, file?.sha1);
  assert.equal(upstream.requests.at(-1)?.headers['range'], undefined);
});

test('after wrong bytes the next source is tried at once, and the next request is served right', async (t) => {
  const image = makeImage({ size: SIZE });
  await using wrong = await startImageServer({ images: [image], behaviour: { corruptAtByte: 9 } });
  await using right = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [wrong.url, right.url] });
  const broken = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(broken.endedCleanly, false);
  await until(async () => (await mirror.metric('imgapi_mirror_downloads_total{result="stored"}')) === 1);
  const next = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(next.headers['x-cache'], 'HIT');
  assert.equal(next.sha1, image.files[0]?.sha1);
  assert.deepEqual([wrong.countOf('file'), right.countOf('file')], [1, 1]);
});

test('who asks just after wrong bytes does not join the download that had them', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image] });
  upstream.behave = ({ route, attempt }) => (route === 'file' && attempt === 1 ? { corruptAtByte: 9 } : undefined);
  await using right = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url, right.url] });
  const broken = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(broken.endedCleanly, false);
  const next = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.deepEqual([next.endedCleanly, next.sha1], [true, image.files[0]?.sha1]);
});

test('a source that says nothing is waited for once, then the next one is asked', async (t) => {
  const image = makeImage({ size: 100_000 });
  await using silent = await startImageServer({ images: [image] });
  await using right = await startImageServer({ images: [image] });
  silent.behave = ({ route }) => (route === 'file' ? { hangHeaders: true } : undefined);
  const mirror = await startMirror(t, { upstreams: [{ url: silent.url, stallTimeout: 500 }, right.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(answer.sha1, image.files[0]?.sha1);
  assert.deepEqual([silent.countOf('file'), right.countOf('file')], [1, 1]);
});
