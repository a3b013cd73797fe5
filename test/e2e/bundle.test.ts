/** Images on their way from a mirror with a network to one without: by bundle, to Triton's own client. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { makeCacheDir } from '../support/cache-dir.ts';
import { startImageServer, type ImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { createSdcClient, type SdcClient } from '../support/sdc-client.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { runEntry, startServing, type ServingProcess } from './mirror-process.ts';

const KIB = 1024;
const origin = makeImage({ name: 'origin', version: '1', size: 1200 * KIB, state: 'disabled' });
const child = makeImage({ name: 'child', version: '2', size: 700 * KIB, files: 2, icon: true, origin });
const other = makeImage({ name: 'other', version: '3', size: 100 * KIB });

interface Site {
  readonly cwd: string;
  readonly dir: string;
  serve(...args: readonly string[]): Promise<ServingProcess>;
  /** Runs a command to its end. */
  type(...args: readonly string[]): Promise<{ readonly code: unknown; readonly out: string; readonly err: string }>;
}

async function siteWith(t: TestContext, upstream: ImageServer): Promise<Site> {
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  const env = {
    IMGAPI_MIRROR_CACHE_DIR: dir,
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'up', url: upstream.url }]),
  };
  return {
    cwd,
    dir,
    serve: async (...args) => startServing(t, { cwd, dir, env, args }),
    async type(...args) {
      const { ended, out, err } = runEntry(t, args, { cwd, env });
      return { code: await ended, out: out(), err: err() };
    },
  };
}

function clientOf(t: TestContext, { url }: ServingProcess): SdcClient {
  const client = createSdcClient({ url });
  t.after(() => client.close());
  return client;
}

async function sha1Of(file: string): Promise<string> {
  return createHash('sha1')
    .update(await readFile(file))
    .digest('hex');
}

test('a bundle in volumes carries an image with origin and icon to a mirror without a network, and sdc-clients gets it there', async (t) => {
  await using upstream = await startImageServer({ images: [origin, child, other] });
  await using nobody = await startImageServer();
  const depot = await siteWith(t, upstream);
  const site = await siteWith(t, nobody);

  await depot.serve();
  const prefetched = await depot.type('prefetch', 'name=child with-origins');
  assert.equal(prefetched.code, 0, prefetched.err);
  const bundle = path.join(depot.cwd, 'images.bundle');
  const exported = await depot.type('export', 'name=child with-origins', '-o', bundle, '--split', '1MiB');
  assert.equal(exported.code, 0, exported.err);
  const volumes = exported.out.trimEnd().split('\n').slice(1);
  assert.equal(volumes.length, 3, exported.out);
  for (const volume of volumes) assert.ok((await stat(volume)).size <= 1024 * KIB);

  const isolated = await site.serve('--offline');
  const client = clientOf(t, isolated);
  await assert.rejects(client.getImage(child.uuid), { statusCode: 503, restCode: 'Offline' });
  const imported = await site.type('import', `${bundle}.001`);
  assert.equal(imported.code, 0, imported.err);
  assert.match(imported.out, /^imported 2 images: 4 files /);

  assert.deepEqual(await client.listImages(), [child.manifest], 'the disabled origin is in no list');
  assert.deepEqual(await client.getImage(child.uuid), child.manifest);
  assert.deepEqual(await client.getImage(origin.uuid), origin.manifest);
  for (const { uuid, files } of [origin, child]) {
    for (const [index, { sha1, md5 }] of files.entries()) {
      const file = path.join(site.cwd, `${uuid}.${index}`);
      const { headers } = await client.getImageFile(uuid, file, { index });
      assert.deepEqual([headers['x-cache'], headers['content-md5'], await sha1Of(file)], ['HIT', md5, sha1]);
    }
  }
  const icon = path.join(site.cwd, 'icon');
  await client.getImageIcon(child.uuid, icon);
  assert.deepEqual(await readFile(icon), child.icon?.bytes);
  await assert.rejects(client.getImage(other.uuid), { statusCode: 503, restCode: 'Offline' });

  isolated.child.kill('SIGTERM');
  assert.equal(await isolated.ended, 0);
  const again = clientOf(t, await site.serve('--offline'));
  assert.deepEqual(await again.listImages(), [child.manifest], 'a restart loses nothing');
  assert.deepEqual(nobody.requests, [], 'the isolated mirror has asked nobody');
});

test('a bundle that was damaged on its way changes nothing, and says so in one line', async (t) => {
  await using upstream = await startImageServer({ images: [other] });
  const depot = await siteWith(t, upstream);
  const site = await siteWith(t, upstream);
  const bundle = path.join(depot.cwd, 'images.bundle');
  const nowhere = await depot.type('export', 'name=other', '-o', bundle);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.err, /there is no cache directory at .*; serve, prefetch and import make one$/m);
  await makeCacheDir(path.join(depot.cwd, 'cache'));
  const missing = await depot.type('export', 'name=other', '-o', bundle);
  assert.equal(missing.code, 1);
  assert.match(missing.err, /not cached, .*prefetch/);
  assert.equal((await depot.type('prefetch', 'name=other')).code, 0);
  assert.equal((await depot.type('export', 'name=other', '-o', bundle)).code, 0);

  const handle = await open(bundle, 'r+');
  await handle.write(Buffer.from('rot'), 0, 3, (await handle.stat()).size - 50 * KIB);
  await handle.close();
  const verified = await site.type('verify', bundle);
  assert.equal(verified.code, 1);
  assert.match(verified.err, /^imgapi-mirror: .*\n$/);
  const imported = await site.type('import', bundle, '--offline', '--json');
  assert.equal(imported.code, 1);
  assert.match(imported.out, /"error":\{"code":"BundleRefused"/);
  const listed = await site.type('list', '--offline', '--json');
  assert.equal(listed.code, 0, listed.err);
  assert.match(listed.out, /"total":0/);

  await rm(bundle);
  assert.equal((await depot.type('export', 'name=other', '-o', bundle)).code, 0);
  assert.equal((await site.type('import', bundle, '--offline')).code, 0, 'another copy is taken');
});
