import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { createImgadmClient } from '../../support/imgadm-client.ts';
import { startImageServer } from '../../support/image-server.ts';
import type { ImageServer, ImageServerOptions } from '../../support/image-server.ts';
import { makeCatalog, makeImage } from '../../support/images.ts';
import { createSdcClient } from '../../support/sdc-client.ts';
import type { SdcClient, SdcClientOptions } from '../../support/sdc-client.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

async function start(
  t: TestContext,
  serverOptions: ImageServerOptions,
  clientOptions: Partial<SdcClientOptions> = {},
): Promise<{ server: ImageServer; client: SdcClient }> {
  const server = await startImageServer(serverOptions);
  const client = createSdcClient({ url: server.url, ...clientOptions }, 5000);
  t.after(() => {
    client.close();
    return server.close();
  });
  return { server, client };
}

test('sdc-clients pings, gets, and is told of missing images', async (t) => {
  const image = makeImage({ size: 10 });
  const { client } = await start(t, { images: [image] });
  assert.deepEqual(await client.ping(), { ping: 'pong', version: '4.13.1', imgapi: true });
  assert.deepEqual(await client.getImage(image.uuid), image.manifest);
  await assert.rejects(client.getImage(makeImage({ name: 'none', size: 1 }).uuid), {
    statusCode: 404,
    restCode: 'ResourceNotFound',
  });
});

test('sdc-clients and the imgadm client list the same 2,500 images', async (t) => {
  const { server, client } = await start(t, { images: makeCatalog(2500), behaviour: { listCap: 1000 } });
  const imgadm = createImgadmClient({ url: server.url });
  t.after(() => imgadm.close());
  const listed = await client.listImages();
  assert.equal(listed.length, 2500);
  assert.deepEqual(listed, (await imgadm.avail()).images);
  const smartos = await client.listImages({ os: 'smartos', limit: 20 });
  assert.equal(smartos.length, 20);
  assert.ok(smartos.every((manifest) => manifest['os'] === 'smartos'));
});

test('sdc-clients downloads files and icons, and asserts their Content-MD5', async (t) => {
  const image = makeImage({ files: 2, icon: true });
  const { server, client } = await start(t, { images: [image] });
  const path = join(await makeTempDir(t), 'file');
  for (const [index, file] of image.files.entries()) {
    const { statusCode, headers } = await client.getImageFile(image.uuid, path, { index });
    assert.equal(statusCode, 200);
    assert.equal(headers['content-md5'], file.md5);
    assert.deepEqual(await readFile(path), file.bytes());
  }
  assert.equal((await client.getImageIcon(image.uuid, path)).headers['content-type'], 'image/png');
  assert.deepEqual(await readFile(path), image.icon?.bytes);
  for (const contentMd5 of ['wrong', 'none'] as const) {
    server.behaviour = { contentMd5 };
    await assert.rejects(client.getImageFile(image.uuid, path), { code: 'ChecksumError' });
    await assert.rejects(client.getImageIcon(image.uuid, path), { code: 'ChecksumError' });
  }
});

test('sdc-clients sees channels', async (t) => {
  const image = makeImage({ size: 10, channels: ['staging'] });
  const channels = [{ name: 'dev', default: true }, { name: 'staging' }];
  const { client } = await start(t, { images: [image], channels }, { channel: 'staging' });
  assert.deepEqual(await client.listChannels(), channels);
  assert.deepEqual(await client.listImages(), [image.manifest]);
});

test('a body that breaks off is a rejection, not a wait for ever', async (t) => {
  const image = makeImage({ name: 'cut', size: 1000 });
  const server = await startImageServer({ images: [image], behaviour: { cutAfterBytes: 10 } });
  const client = createSdcClient({ url: server.url }, 300);
  t.after(() => {
    client.close();
    return server.close();
  });
  await assert.rejects(client.getImageFile(image.uuid, join(await makeTempDir(t), 'file')));
});
