/** Issue 3: what happens to transfers in a hostile world can be read off `/metrics`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';

const SIZE = 1_000_000;

async function values(mirror: TestMirror, names: Readonly<Record<string, number>>): Promise<void> {
  const found: Record<string, number> = {};
  for (const name of Object.keys(names)) found[name] = await mirror.metric(`imgapi_mirror_${name}`);
  assert.deepEqual(found, names);
}

async function settled(mirror: TestMirror): Promise<void> {
  await until(async () => (await mirror.metric('imgapi_mirror_downloads_running')) === 0);
}

test('resumes are counted by mode, right files by their check', async (t) => {
  const [ranged, skipped] = [makeImage({ name: 'ranged', size: SIZE }), makeImage({ name: 'skipped', size: SIZE })];
  await using upstream = await startImageServer({ images: [ranged, skipped] });
  upstream.behave = ({ route, uuid, attempt }) => {
    if (route !== 'file') return undefined;
    return { supportsRange: uuid === ranged.uuid, ...(attempt === 1 ? { cutAfterBytes: 400_000 } : {}) };
  };
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  for (const { uuid } of [ranged, skipped]) {
    assert.ok((await rawRequest({ port: mirror.port, path: `/images/${uuid}/file` })).endedCleanly);
  }
  await settled(mirror);
  await values(mirror, {
    'transfer_resumes_total{mode="range"}': 1,
    'transfer_resumes_total{mode="skip"}': 1,
    'transfer_resumes_total{mode="partial"}': 0,
    'transfer_resumed_bytes_total{mode="range"}': 400_000,
    'transfer_stalls_total{upstream="up0"}': 0,
    'integrity_checks_total{result="right"}': 2,
    'integrity_checks_total{result="sha1"}': 0,
  });
});

test('a partial that a later download takes up is counted, with its bytes', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image] });
  upstream.behave = ({ route }) => (route === 'file' ? { supportsRange: true, stallAfterBytes: 600_000 } : undefined);
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { finishAbandoned: false } });
  const path = `/images/${image.uuid}/file`;
  await rawRequest({ port: mirror.port, path, abortAfterBytes: 500_000 });
  await settled(mirror);
  upstream.behave = undefined;
  assert.ok((await rawRequest({ port: mirror.port, path })).endedCleanly);
  await settled(mirror);
  await values(mirror, {
    'transfer_resumes_total{mode="partial"}': 1,
    'transfer_resumed_bytes_total{mode="partial"}': 600_000,
    'transfer_resumes_total{mode="skip"}': 1,
  });
});

test('stalls and failovers are counted by upstream', async (t) => {
  const image = makeImage({ size: SIZE });
  await using silent = await startImageServer({ images: [image] });
  await using right = await startImageServer({ images: [image] });
  silent.behave = ({ route }) => (route === 'file' ? { hangHeaders: true } : undefined);
  const mirror = await startMirror(t, { upstreams: [{ url: silent.url, stallTimeout: 300 }, right.url] });
  assert.ok((await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file` })).endedCleanly);
  await values(mirror, {
    'transfer_stalls_total{upstream="up0"}': 1,
    'transfer_stalls_total{upstream="up1"}': 0,
    'transfer_failovers_total{upstream="up0"}': 1,
    'transfer_failovers_total{upstream="up1"}': 0,
  });
});

test('wrong bytes, sizes and MD5s are counted apart, stored or passed through', async (t) => {
  const faults = { bytes: { corruptAtByte: 9 }, size: { contentLength: 5 }, md5: { contentMd5: 'wrong' } } as const;
  const images = Object.keys(faults).map((name) => makeImage({ name, size: SIZE }));
  await using upstream = await startImageServer({ images });
  upstream.behave = ({ route, uuid }) => {
    if (route !== 'file') return undefined;
    const at = images.findIndex((image) => image.uuid === uuid);
    return Object.values(faults)[at];
  };
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const full = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes: SIZE / 2 } });
  for (const { port } of [mirror, full]) {
    for (const { uuid } of images) {
      const answer = await rawRequest({ port, path: `/images/${uuid}/file` });
      assert.ok(answer.status !== 200 || !answer.endedCleanly);
    }
  }
  await settled(mirror);
  for (const counted of [mirror, full]) {
    await until(async () => (await counted.metric('imgapi_mirror_integrity_checks_total{result="md5"}')) === 1);
    await values(counted, {
      'integrity_checks_total{result="right"}': 0,
      'integrity_checks_total{result="sha1"}': 1,
      'integrity_checks_total{result="size"}': 1,
    });
  }
  await values(mirror, { quarantined_files: 1, 'downloads_total{result="mismatch"}': 1 });
  await values(full, { 'pass_throughs_total{result="failed"}': 3 });
});
