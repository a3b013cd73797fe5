import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { sha1Of } from '../../../src/imgapi/ids.ts';
import { createImageIndex } from '../../../src/records/image-index.ts';
import { createKeptManifests, type RemovableManifests } from '../../../src/records/kept-manifests.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeImage } from '../../support/images.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const parent = makeImage({ name: 'parent', size: 10 });
const child = makeImage({ name: 'child', size: 10, files: 2, origin: parent });
const icon = { sha1: sha1Of(Buffer.from('icon')), size: 4, contentType: 'image/png' } as const;
const fetchedAt = '2026-01-01T00:00:00.000Z';

async function keptIn(t: TestContext): Promise<RemovableManifests> {
  return createKeptManifests({ log: createCaptureLog() }, { dir: await makeTempDir(t) });
}

test('the images are those on disk and those kept since, each with its origin, files and icon', async (t) => {
  const disk = await keptIn(t);
  await disk.put({ upstream: 'up0', fetchedAt, manifest: parent.manifest });
  const index = createImageIndex(disk);
  const { kept } = index;
  const parentBlobs = { uuid: parent.uuid, origin: undefined, files: [parent.files[0]?.sha1], icon: undefined };
  assert.deepEqual(await index.images(), [parentBlobs]);
  await kept.put({ upstream: 'up0', fetchedAt, manifest: child.manifest, icon });
  const childBlobs = {
    uuid: child.uuid,
    origin: parent.uuid,
    files: child.files.map(({ sha1 }) => sha1),
    icon: icon.sha1,
  };
  assert.deepEqual(await index.images(), [parentBlobs, childBlobs]);
  assert.deepEqual((await kept.get(child.uuid))?.icon, icon);
});

test('a manifest is removed only while it is unwanted; it is gone from the disk and the index', async (t) => {
  const disk = await keptIn(t);
  const index = createImageIndex(disk);
  const { kept } = index;
  await kept.put({ upstream: 'up0', fetchedAt, manifest: parent.manifest });
  assert.equal(await kept.remove(parent.uuid, () => false), false);
  assert.equal((await index.images()).length, 1);
  assert.equal(await kept.remove(parent.uuid, () => true), true);
  assert.equal(await kept.remove(parent.uuid, () => true), false);
  assert.deepEqual(await index.images(), []);
  assert.equal(await disk.get(parent.uuid), undefined);
});

test('a list that could not be read is read again', async () => {
  let isBroken = true;
  const index = createImageIndex({
    get: async () => undefined,
    put: async () => undefined,
    remove: async () => false,
    async *all() {
      if (isBroken) throw new Error('EIO');
      yield { upstream: 'up0', fetchedAt, manifest: parent.manifest };
    },
  });
  await assert.rejects(index.images());
  isBroken = false;
  assert.equal((await index.images()).length, 1);
});
