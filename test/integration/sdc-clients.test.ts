import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { createSdcClient, type SdcClient } from '../support/sdc-client.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { fieldsOf } from './ask.ts';

const CHANNELS = [{ name: 'release', description: 'Tested', default: true }, { name: 'dev' }] as const;

function clientOf(t: TestContext, options: Parameters<typeof createSdcClient>[0]): SdcClient {
  const client = createSdcClient(options);
  t.after(() => client.close());
  return client;
}

test('Triton’s own client takes the mirror for an image server', async (t) => {
  const image = makeImage({ size: 300_001, icon: true, channels: ['release'], files: 2 });
  const dev = makeImage({ name: 'dev', size: 900, channels: ['dev'] });
  await using upstream = await startImageServer({ images: [image, dev], channels: CHANNELS });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const client = clientOf(t, { url: mirror.url });
  const dir = await makeTempDir(t);
  const sha1OfFile = async (name: string): Promise<string> =>
    createHash('sha1')
      .update(await readFile(path.join(dir, name)))
      .digest('hex');

  await t.test('ping', async () => {
    const pong = fieldsOf(await client.ping());
    assert.equal(pong['ping'], 'pong');
    assert.equal(pong['imgapi'], true);
  });

  await t.test('listImages, with filters and channels', async () => {
    assert.deepEqual(await client.listImages(), [image.manifest]);
    assert.deepEqual(await client.listImages({ name: '~test' }), [image.manifest]);
    assert.deepEqual(await client.listImages({ os: 'linux' }), []);
    assert.deepEqual(await clientOf(t, { url: mirror.url, channel: 'dev' }).listImages(), [dev.manifest]);
    const all = await clientOf(t, { url: mirror.url, channel: '*' }).listImages();
    assert.equal(all.length, 2);
    await assert.rejects(clientOf(t, { url: mirror.url, channel: 'none' }).listImages(), { statusCode: 422 });
  });

  await t.test('getImage, in the version it asks for', async () => {
    assert.deepEqual(await client.getImage(image.uuid), image.manifest);
    const { channels: _, ...plain } = image.manifest;
    assert.deepEqual(await clientOf(t, { url: mirror.url, version: '~1' }).getImage(image.uuid), plain);
    await assert.rejects(client.getImage('99999999-0000-4000-8000-000000000000'), { statusCode: 404 });
  });

  await t.test('getImageFile, on a miss with the upstream’s MD5 and on a hit with ours', async () => {
    const [first, second] = image.files;
    for (const cache of ['MISS', 'HIT']) {
      const response = await client.getImageFile(image.uuid, path.join(dir, cache));
      assert.equal(response.headers['x-cache'], cache);
      assert.equal(response.headers['content-md5'], first?.md5);
      assert.equal(await sha1OfFile(cache), first?.sha1);
      await until(() => mirror.app.downloads.progressOf(first!.sha1) === undefined);
    }
    await client.getImageFile(image.uuid, path.join(dir, 'second'), { index: 1 });
    assert.equal(await sha1OfFile('second'), second?.sha1);
    assert.equal(upstream.countOf('file'), 2);
  });

  await t.test('getImageIcon, on a miss and on a hit', async () => {
    for (const cache of ['MISS', 'HIT']) {
      const response = await client.getImageIcon(image.uuid, path.join(dir, `icon-${cache}`));
      assert.equal(response.headers['x-cache'], cache);
      assert.equal(response.headers['content-type'], 'image/png');
      assert.deepEqual(await readFile(path.join(dir, `icon-${cache}`)), image.icon!.bytes);
    }
    await assert.rejects(
      clientOf(t, { url: mirror.url, channel: 'dev' }).getImageIcon(dev.uuid, path.join(dir, 'none')),
      {
        statusCode: 404,
      },
    );
  });

  await t.test('listChannels', async () => {
    assert.deepEqual(await client.listChannels(), CHANNELS);
  });
});

test('Triton’s own client pages through more than a thousand images, each once', async (t) => {
  const images = makeCatalog(2_300);
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const listed = await clientOf(t, { url: mirror.url }).listImages();
  assert.deepEqual(
    listed.map(({ uuid }) => String(uuid)).toSorted(),
    images.map(({ uuid }) => String(uuid)).toSorted(),
  );
});

test('a mirror of a mirror serves Triton’s own client', async (t) => {
  const origin = makeImage({ name: 'origin', state: 'disabled', size: 20_000 });
  const image = makeImage({ size: 300_001, icon: true, origin });
  await using upstream = await startImageServer({ images: [image, origin] });
  const near = await startMirror(t, { upstreams: [upstream.url] });
  const far = await startMirror(t, { upstreams: [near.url] });
  const client = clientOf(t, { url: far.url });
  const dir = await makeTempDir(t);
  assert.deepEqual(await client.listImages(), [image.manifest]);
  assert.deepEqual(await client.getImage(origin.uuid), origin.manifest);
  const response = await client.getImageFile(image.uuid, path.join(dir, 'file'));
  assert.equal(response.headers['content-md5'], image.files[0]?.md5);
  await client.getImageIcon(image.uuid, path.join(dir, 'icon'));
  assert.equal(upstream.countOf('file'), 1);
});
