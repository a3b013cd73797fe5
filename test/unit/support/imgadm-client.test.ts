import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createImgadmClient } from '../../support/imgadm-client.ts';
import type { ImgadmClient, ImgadmClientOptions } from '../../support/imgadm-client.ts';
import { startImageServer } from '../../support/image-server.ts';
import type { Behaviour, ImageServer, ImageServerOptions } from '../../support/image-server.ts';
import { makeCatalog, makeImage } from '../../support/images.ts';
import { until } from '../../support/wait-for.ts';

async function start(
  t: TestContext,
  serverOptions: ImageServerOptions = {},
  clientOptions: Partial<ImgadmClientOptions> = {},
): Promise<{ server: ImageServer; imgadm: ImgadmClient }> {
  const server = await startImageServer(serverOptions);
  const imgadm = createImgadmClient({ url: server.url, deadlineMs: 10_000, ...clientOptions });
  t.after(() => {
    imgadm.close();
    return server.close();
  });
  return { server, imgadm };
}

test('every request has the headers of imgadm, in its order', async (t) => {
  const { server, imgadm } = await start(t);
  const { isAccepted } = await imgadm.ping();
  assert.ok(isAccepted);
  const raw = server.requests[0]?.rawHeaders ?? [];
  assert.deepEqual(
    raw.filter((_, index) => index % 2 === 0),
    ['x-request-id', 'accept', 'user-agent', 'accept-version', 'date', 'Host', 'Connection'],
  );
  assert.equal(raw[1], imgadm.requestId);
  assert.equal(raw[5], 'imgadm/3.9.5 (node/0.10.48; OpenSSL/1.0.1u)');
});

test('avail pages through 2,500 images with ties when the server caps at 1000', async (t) => {
  const catalog = makeCatalog(2500);
  const { server, imgadm } = await start(t, { images: catalog, behaviour: { listCap: 1000 } });
  const { outcome, images, pages } = await imgadm.avail();
  assert.equal(outcome, 'listed');
  assert.equal(pages, 3);
  assert.deepEqual(new Set(images.map((entry) => entry['uuid'])), new Set(catalog.map((image) => image.uuid)));
  assert.match(server.requests[1]?.url ?? '', /^\/images\?marker=[0-9a-f-]{36}&limit=1000$/);
});

test('avail asks once more and no further when a server returns everything at once', async (t) => {
  const { imgadm } = await start(t, { images: makeCatalog(1200) });
  const { images, pages } = await imgadm.avail();
  assert.equal(pages, 2);
  assert.equal(images.length, 1200);
});

test('what imgadm swallows is a silently empty result with a reason', async (t) => {
  const { server, imgadm } = await start(t, { images: makeCatalog(3) });
  const cases: [Behaviour, string][] = [
    [{ redirectTo: '/elsewhere' }, 'redirect'],
    [{ listMode: 'truncated' }, 'not-json'],
    [{ listMode: 'object' }, 'not-a-list'],
    [{ listMode: 'cut' }, 'broken-body'],
  ];
  for (const [behaviour, reason] of cases) {
    server.behaviour = behaviour;
    assert.partialDeepStrictEqual(await imgadm.avail(), { outcome: 'silently-empty', reason, images: [] });
  }
});

test('what imgadm shows or dies of is an ImgadmError', async (t) => {
  const { server, imgadm } = await start(t);
  server.behaviour = { status: 503 };
  await assert.rejects(imgadm.avail(), { code: 'ServiceUnavailableError', status: 503 });
  await assert.rejects(imgadm.show(makeImage().uuid), { code: 'ServiceUnavailableError' });
  for (const entry of [null, { uuid: 'u', published_at: 1 }, { uuid: 'u', published_at: '2020', type: 'docker' }]) {
    server.behaviour = { extraEntries: [entry] };
    await assert.rejects(imgadm.avail(), { code: 'ListUnreadable' });
  }
  server.behaviour = { headers: { 'Content-MD5': 'AAAAAAAAAAAAAAAAAAAAAA==' } };
  await assert.rejects(imgadm.avail(), { code: 'BadDigest' });
});

test('import walks the origins, inactive ones too, and fetches at most 5 files at once', async (t) => {
  const chain = [makeImage({ name: 'link-0', state: 'disabled' })];
  for (let depth = 1; depth < 8; depth += 1) {
    chain.unshift(makeImage({ name: `link-${depth}`, ...(chain[0] === undefined ? {} : { origin: chain[0] }) }));
  }
  const { server, imgadm } = await start(t, { images: chain, behaviour: { stallAfterBytes: 10 } });
  const importing = imgadm.importImage(chain[0]?.uuid ?? '');
  await until(() => server.fileAnswers.running === 5);
  server.behaviour = {};
  const { manifests, files } = await importing;
  assert.deepEqual(
    manifests.map((manifest) => manifest['uuid']),
    chain.map((image) => image.uuid),
  );
  assert.deepEqual(
    files.map((file) => file.sha1),
    chain.map((image) => image.files[0]?.sha1),
  );
  assert.equal(server.fileAnswers.peak, 5);
  assert.ok(new Set(server.requests.map((request) => request.remotePort)).size <= 5);
  assert.equal(files[0]?.headers['content-md5'], chain[0]?.files[0]?.md5);
  assert.equal(files[0]?.body.length, 0);

  for (const { uuid } of chain.slice(1)) imgadm.installed.add(uuid);
  assert.equal((await imgadm.importImage(chain[0]?.uuid ?? '')).files.length, 1);
});

test('import refuses every wrong file as imgadm does', async (t) => {
  const image = makeImage();
  const { server, imgadm } = await start(t, { images: [image] });
  const cases: [Behaviour, string][] = [
    [{ contentLength: 'none' }, 'NoContentLength'],
    [{ contentLength: 5 }, 'WrongContentLength'],
    [{ corruptAtByte: 7 }, 'WrongSha1'],
    [{ cutAfterBytes: 7 }, 'BrokenBody'],
    [{ redirectTo: '/elsewhere' }, 'BadAnswer'],
    [{ status: 503 }, 'ServiceUnavailableError'],
    [{ headers: { 'Content-Encoding': 'gzip' } }, 'Encoded'],
  ];
  for (const [behaviour, code] of cases) {
    server.behave = ({ route }) => (route === 'file' ? behaviour : undefined);
    await assert.rejects(imgadm.importImage(image.uuid), { name: 'ImgadmError', code });
  }
});

test('import refuses an inactive image and a missing one or origin', async (t) => {
  const disabled = makeImage({ name: 'disabled', state: 'disabled', size: 1 });
  const orphan = makeImage({ name: 'orphan', size: 1, origin: makeImage({ name: 'gone', size: 1 }) });
  const { imgadm } = await start(t, { images: [disabled, orphan] });
  await assert.rejects(imgadm.importImage(disabled.uuid), { code: 'NotActive' });
  await assert.rejects(imgadm.importImage(orphan.uuid), { code: 'OriginNotFound' });
  await assert.rejects(imgadm.importImage(makeImage().uuid), { code: 'NotFound' });
});

test('channel, base path and absolute form go out as asked', async (t) => {
  const image = makeImage({ size: 100, channels: ['dev'] });
  const options = { images: [image], basePath: '/foo', channels: [{ name: 'dev' }] };
  const { server, imgadm } = await start(t, options, { channel: 'dev', absoluteForm: true });
  await imgadm.ping();
  await imgadm.importImage(image.uuid);
  assert.deepEqual(
    server.requests.map((request) => request.url),
    [
      'http://other.host/foo/ping',
      `http://other.host/foo/images/${image.uuid}?channel=dev`,
      `http://other.host/foo/images/${image.uuid}/file?channel=dev`,
    ],
  );
});

test('update names the top-level fields that changed', async (t) => {
  const image = makeImage({ name: 'kept', size: 1 });
  const gone = makeImage({ name: 'gone', size: 1 });
  const { server, imgadm } = await start(t, { images: [image, gone] });
  await imgadm.show(image.uuid);
  await imgadm.show(gone.uuid);
  assert.equal((await imgadm.update([image.uuid]))[0]?.outcome, 'same');
  server.images.add({ ...image, manifest: { ...image.manifest, description: 'new', homepage: 'https://example.com' } });
  server.images.remove(gone.uuid);
  assert.deepEqual(await imgadm.update([image.uuid, gone.manifest]), [
    { uuid: image.uuid, outcome: 'changed', changedFields: ['description', 'homepage'] },
    { uuid: gone.uuid, outcome: 'unknown', changedFields: [] },
  ]);
});
