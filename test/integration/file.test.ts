import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fieldsOf } from './ask.ts';
import { rawRequest } from '../support/imgadm-client.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const filePath = (uuid: string): string => `/images/${uuid}/file`;

test('a file is a MISS first and a HIT after, with the same bytes, length, MD5 and tags', async (t) => {
  const image = makeImage({ size: 700_001 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const [file] = image.files;
  for (const expected of ['MISS', 'HIT']) {
    const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-cache'], expected);
    assert.equal(answer.headers['content-length'], '700001');
    assert.equal(answer.headers['content-md5'], file?.md5);
    assert.equal(answer.headers['etag'], file?.sha1);
    assert.equal(answer.headers['content-type'], 'application/octet-stream');
    assert.equal(answer.headers['transfer-encoding'], undefined);
    assert.equal(answer.sha1, file?.sha1);
    assert.ok(answer.endedCleanly);
    await until(() => mirror.app.downloads.progressOf(file!.sha1) === undefined);
  }
  assert.equal(upstream.countOf('file'), 1);
  assert.equal(upstream.bytesSent, 700_001);
  const blob = path.join(mirror.dir, 'blobs/sha1', file!.sha1.slice(0, 2), file!.sha1);
  assert.ok(existsSync(blob));
  await until(() => existsSync(path.join(mirror.dir, 'manifests', `${image.uuid}.json`)));
});

test('twenty clients of one cold file cost one upstream fetch, and all get all bytes', async (t) => {
  const image = makeImage({ size: 3_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { rateBytesPerSecond: 6_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true })),
  );
  for (const answer of answers) assert.equal(answer.sha1, image.files[0]?.sha1);
  const results = answers.map((answer) => answer.headers['x-cache']);
  assert.equal(results.filter((result) => result === 'MISS').length, 1);
  assert.equal(results.filter((result) => result === 'JOIN').length, 19);
  assert.equal(upstream.countOf('file'), 1);
  assert.equal(upstream.bytesSent, 3_000_000);
});

test('headers and the first bytes arrive while the upstream still sends', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 1_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  let seen = 0;
  const answer = rawRequest({
    port: mirror.port,
    path: filePath(image.uuid),
    hash: true,
    onProgress: (bytes) => {
      seen = bytes;
    },
  });
  await until(() => seen > 900_000, { what: 'bytes before the stall' });
  upstream.behaviour = {};
  assert.equal((await answer).sha1, image.files[0]?.sha1);
});

test('wrong bytes never end cleanly, are not stored, and are quarantined', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { corruptAtByte: 399_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(answer.endedCleanly, false);
  assert.ok(answer.bytes <= 400_000 - 65_536, `${answer.bytes} bytes were let out`);
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
  assert.ok(readdirSync(path.join(mirror.dir, 'quarantine')).length > 0);
  upstream.behaviour = {};
  const again = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(again.headers['x-cache'], 'MISS');
  assert.equal(again.sha1, image.files[0]?.sha1);
});

test('a file too small to withhold a part of is verified before any byte goes out', async (t) => {
  const image = makeImage({ size: 231 });
  await using upstream = await startImageServer({ images: [image], behaviour: { corruptAtByte: 7 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(answer.endedCleanly, false);
  assert.equal(answer.bytes, 0);
});

test('an upstream with the wrong length is passed over before headers go out', async (t) => {
  const image = makeImage({ size: 50_000 });
  await using wrong = await startImageServer({ images: [image], behaviour: { contentLength: 49_999 } });
  await using right = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [wrong.url, right.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(answer.status, 200);
  assert.equal(answer.sha1, image.files[0]?.sha1);
});

test('a download that breaks off goes on at the next upstream that lists the same SHA-1', async (t) => {
  const image = makeImage({ size: 600_000 });
  await using first = await startImageServer({ images: [image] });
  await using second = await startImageServer({ images: [image] });
  first.behave = ({ route, attempt }) =>
    route !== 'file' ? undefined : attempt === 1 ? { cutAfterBytes: 300_000 } : { status: 404 };
  const mirror = await startMirror(t, { upstreams: [first.url, second.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.ok(answer.endedCleanly);
  assert.equal(answer.sha1, image.files[0]?.sha1);
  assert.equal(second.countOf('file'), 1);
});

test('when every source fails before headers the client gets 503 with a body', async (t) => {
  const image = makeImage({ size: 10_000 });
  await using upstream = await startImageServer({ images: [image] });
  upstream.behave = ({ route }) => (route === 'file' ? { status: 403 } : undefined);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(answer.status, 503);
  const { code, message } = fieldsOf(JSON.parse(answer.body.toString()));
  assert.equal(code, 'UpstreamUnavailable');
  assert.match(String(message), /up0.*403/);
});

test('the download goes on when its only client leaves, and the next one joins or hits', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { rateBytesPerSecond: 4_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const left = await rawRequest({ port: mirror.port, path: filePath(image.uuid), abortAfterBytes: 100_000 });
  assert.equal(left.endedCleanly, false);
  const next = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(next.headers['x-cache'], 'JOIN');
  assert.equal(next.sha1, image.files[0]?.sha1);
  assert.equal(upstream.countOf('file'), 1);
  await until(async () => (await mirror.metric('imgapi_mirror_http_responses_aborted_total{route="file"}')) === 1);
});

test('with finishAbandoned off a download ends with its last client', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { rateBytesPerSecond: 1_000_000 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { finishAbandoned: false } });
  await rawRequest({ port: mirror.port, path: filePath(image.uuid), abortAfterBytes: 50_000 });
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
  assert.ok(upstream.bytesSent < 2_000_000);
  // What came is kept, and the next request goes on with it.
  const { size } = statSync(path.join(mirror.dir, 'partial', image.files[0]!.sha1));
  assert.ok(size > 0 && size < 2_000_000);
});

test('a range of a stored file is served with its own length and without the MD5 of the whole', async (t) => {
  const image = makeImage({ size: 100_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
  const part = await rawRequest({
    port: mirror.port,
    path: filePath(image.uuid),
    headers: { range: 'bytes=1000-1999' },
    keepBody: true,
  });
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-range'], 'bytes 1000-1999/100000');
  assert.equal(part.headers['content-length'], '1000');
  assert.equal(part.headers['content-md5'], undefined);
  assert.deepEqual(part.body, image.files[0]?.read(1000, 1000));
  const stale = await rawRequest({
    port: mirror.port,
    path: filePath(image.uuid),
    headers: { range: 'bytes=1000-1999', 'if-range': '"0000000000000000000000000000000000000000"' },
  });
  assert.equal(stale.status, 200);
  const beyond = await rawRequest({
    port: mirror.port,
    path: filePath(image.uuid),
    headers: { range: 'bytes=100000-' },
  });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers['content-range'], 'bytes */100000');
  const known = await rawRequest({
    port: mirror.port,
    path: filePath(image.uuid),
    headers: { 'if-none-match': `"${image.files[0]!.sha1}"` },
  });
  assert.equal(known.status, 304);
  assert.equal(known.bytes, 0);
});

test('a range on a miss gets the whole', async (t) => {
  const image = makeImage({ size: 100_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await rawRequest({
    port: mirror.port,
    path: filePath(image.uuid),
    headers: { range: 'bytes=50000-' },
    hash: true,
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.sha1, image.files[0]?.sha1);
});

test('HEAD answers from metadata and starts no download', async (t) => {
  const image = makeImage({ size: 5_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const answer = await rawRequest({ port: mirror.port, method: 'HEAD', path: filePath(image.uuid) });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['content-length'], '5000');
  assert.equal(answer.headers['x-cache'], 'MISS');
  assert.equal(upstream.countOf('file'), 0);
});

test('an upstream without Content-MD5 is passed on without one; the hit then has ours', async (t) => {
  const image = makeImage({ size: 80_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { contentMd5: 'none' } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const miss = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(miss.headers['content-md5'], undefined);
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
  const hit = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(hit.headers['content-md5'], image.files[0]?.md5);
});

test('a wrong Content-MD5 breaks off the response that carried it; the blob is kept with the right one', async (t) => {
  const image = makeImage({ size: 200_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { contentMd5: 'wrong' } });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const miss = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(miss.endedCleanly, false);
  await until(() => mirror.app.downloads.progressOf(image.files[0]!.sha1) === undefined);
  const hit = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(hit.headers['x-cache'], 'HIT');
  assert.equal(hit.headers['content-md5'], image.files[0]?.md5);
  assert.ok(hit.endedCleanly);
});

test('without room a file is passed through: verified, not kept, and fetched anew for who comes later', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes: 1024 * 1024 } });
  for (let turn = 1; turn <= 2; turn++) {
    const answer = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['x-cache'], 'PASS');
    assert.equal(answer.headers['content-md5'], image.files[0]?.md5);
    assert.equal(answer.sha1, image.files[0]?.sha1);
    assert.equal(upstream.countOf('file'), turn);
  }
  assert.equal(await mirror.metric('imgapi_mirror_pass_throughs_total{result="right"}'), 2);
  assert.equal(await mirror.metric('imgapi_mirror_blobs'), 0);
});

test('a pass-through of wrong bytes does not end cleanly, and one that is cut goes on', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { corruptAtByte: 5 } });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes: 1024 * 1024 } });
  const wrong = await rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  assert.equal(wrong.endedCleanly, false);
  assert.ok(wrong.bytes <= 2_000_000 - 65_536);
  upstream.forget();
  upstream.behaviour = {};
  upstream.behave = ({ route, attempt }) =>
    route === 'file' && attempt === 1 ? { cutAfterBytes: 700_000 } : undefined;
  const cut = await rawRequest({ port: mirror.port, path: filePath(image.uuid), hash: true });
  assert.equal(cut.sha1, image.files[0]?.sha1);
});

test('a file of an image with several is named by its index, and a missing one is 404', async (t) => {
  const image = makeImage({ size: 5_000, files: 2 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const second = await rawRequest({ port: mirror.port, path: `${filePath(image.uuid)}?index=1`, keepBody: true });
  assert.equal(createHash('sha1').update(second.body).digest('hex'), image.files[1]?.sha1);
  const third = await rawRequest({ port: mirror.port, path: `${filePath(image.uuid)}?index=2` });
  assert.equal(third.status, 404);
  assert.match(third.body.toString(), new RegExp(`image \\\\"${image.uuid}\\\\" has no file at index 2`));
  const junk = await rawRequest({ port: mirror.port, path: `${filePath(image.uuid)}?index=x` });
  assert.equal(junk.status, 422);
});

test('the request id of the client goes upstream with the download it starts', async (t) => {
  const image = makeImage({ size: 5_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const id = '11111111-2222-4333-8444-555555555555';
  await rawRequest({
    port: mirror.port,
    path: `${filePath(image.uuid)}?evil=1`,
    headers: { 'x-request-id': id, authorization: 'Basic abc', cookie: 'a=b' },
  });
  const sent = upstream.requests.find(({ route }) => route === 'file');
  assert.equal(sent?.headers['x-request-id'], id);
  assert.equal(sent?.headers['authorization'], undefined);
  assert.equal(sent?.headers['cookie'], undefined);
  assert.equal(sent?.url, filePath(image.uuid));
});

test('a part of a file that is still on its way does not end before the whole is known to be right', async (t) => {
  const image = makeImage({ size: 2_000_000 });
  await using upstream = await startImageServer({
    images: [image],
    behaviour: { rateBytesPerSecond: 2_000_000, corruptAtByte: 10 },
  });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const whole = rawRequest({ port: mirror.port, path: filePath(image.uuid) });
  await until(() => (mirror.app.downloads.progressOf(image.files[0]!.sha1) ?? 0) > 300_000);
  const part = await rawRequest({ port: mirror.port, path: filePath(image.uuid), headers: { range: 'bytes=0-99999' } });
  assert.equal(part.status, 206);
  assert.equal(part.endedCleanly, false);
  assert.equal((await whole).endedCleanly, false);
});

test('a manifest that gives the same bytes another size neither joins their download nor spoils it', async (t) => {
  const right = makeImage({ size: 2_000_000 });
  const [file] = right.files;
  const files = [{ sha1: file!.sha1, size: 500_000, compression: 'gzip' }];
  const wrong = makeImage({ name: 'wrong', size: 1, extra: { files } });
  await using upstream = await startImageServer({
    images: [right, wrong],
    behaviour: { rateBytesPerSecond: 4_000_000 },
  });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const whole = rawRequest({ port: mirror.port, path: filePath(right.uuid), hash: true });
  await until(() => (mirror.app.downloads.progressOf(file!.sha1) ?? 0) > 600_000);
  const short = await rawRequest({ port: mirror.port, path: filePath(wrong.uuid) });
  assert.equal(short.status, 503);
  assert.equal((await whole).sha1, file?.sha1);
});
