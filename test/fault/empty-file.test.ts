import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';

test('an empty file never ends cleanly under a wrong Content-MD5', async (t) => {
  const image = makeImage({ size: 0 });
  await using upstream = await startImageServer({ images: [image], behaviour: { contentMd5: 'wrong' } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const a = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, hash: true });
  assert.ok(
    !a.endedCleanly || a.headers['content-md5'] === a.md5,
    `clean ${a.status}, told ${String(a.headers['content-md5'])}, is ${a.md5}`,
  );
});
test('an empty file whose manifest names another sha1 never ends cleanly with 200', async (t) => {
  const image = makeImage({ size: 0, extra: { files: [{ sha1: 'a'.repeat(40), size: 0, compression: 'gzip' }] } });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const a = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, hash: true });
  assert.ok(!a.endedCleanly || a.status !== 200, `clean ${a.status}, ${String(a.headers['etag'])} is ${a.sha1}`);
});
// An answer of no bytes is over with its headers: nothing could be withheld until it was verified (found by chaos).
test('an empty file needs no download, whoever leaves', async (t) => {
  const image = makeImage({ size: 0 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { finishAbandoned: false } });
  const get = async () => rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file` });
  assert.equal((await get()).headers['content-md5'], '1B2M2Y8AsgTpgAmY7PhCfg==');
  assert.equal((await get()).headers['x-cache'], 'HIT');
  assert.equal(upstream.countOf('file'), 0);
});
