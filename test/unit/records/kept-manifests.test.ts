import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { isImageUuid, isSha1Hex } from '../../../src/imgapi/ids.ts';
import type { ImageUuid } from '../../../src/imgapi/ids.ts';
import { createKeptManifests } from '../../../src/records/kept-manifests.ts';
import type { KeptManifest, KeptManifests } from '../../../src/records/kept-manifests.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

function uuid(number: number): ImageUuid {
  const text = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
  assert(isImageUuid(text));
  return text;
}

function keptOf(number: number): KeptManifest {
  const sha1 = 'a'.repeat(40);
  assert(isSha1Hex(sha1));
  const manifest = {
    v: 2,
    uuid: uuid(number),
    name: 'bäse',
    requirements: { z: 1, a: null },
    published_at: '2026-01-01T00:00Z',
  };
  return {
    upstream: 'first',
    fetchedAt: '2026-11-01T10:00:00.000Z',
    manifest,
    icon: { sha1, size: 3, contentType: 'image/png' },
  };
}

async function collect(kept: KeptManifests): Promise<string[]> {
  const uuids: string[] = [];
  for await (const { manifest } of kept.all()) uuids.push(String(manifest['uuid']));
  return uuids.toSorted((a, b) => a.localeCompare(b));
}

suite('kept manifests', () => {
  test('what was put is got, with the order of its keys, by another process too', async (t) => {
    const dir = await makeTempDir(t);
    const kept = createKeptManifests({ log: createCaptureLog() }, { dir });
    assert.equal(await kept.get(uuid(1)), undefined);
    assert.deepEqual(await collect(kept), []);
    await kept.put(keptOf(1));
    const { icon: _, ...plain } = keptOf(2);
    await kept.put(plain);
    const again = createKeptManifests({ log: createCaptureLog() }, { dir });
    assert.equal(JSON.stringify(await again.get(uuid(1))), JSON.stringify(keptOf(1)));
    assert.deepEqual(await again.get(uuid(2)), plain);
    assert.deepEqual(await collect(again), [uuid(1), uuid(2)]);
    assert.deepEqual((await readdir(join(dir, 'manifests'))).toSorted(), [`${uuid(1)}.json`, `${uuid(2)}.json`]);
  });

  test('an icon of a type that is served no more takes nothing of its image with it', async (t) => {
    const kept = createKeptManifests({ log: createCaptureLog() }, { dir: await makeTempDir(t) });
    const odd = { ...keptOf(1), icon: { ...keptOf(1).icon!, contentType: 'image/svg+xml' } };
    await kept.put(odd);
    assert.deepEqual(await kept.get(uuid(1)), odd);
  });

  test('nothing is written where only the time of fetching differs', async (t) => {
    const dir = await makeTempDir(t);
    const kept = createKeptManifests({ log: createCaptureLog() }, { dir });
    await kept.put(keptOf(1));
    const path = join(dir, 'manifests', `${uuid(1)}.json`);
    const before = await stat(path);
    await kept.put({ ...keptOf(1), fetchedAt: '2026-12-01T10:00:00.000Z' });
    assert.equal((await stat(path)).ino, before.ino);
    const changed = { ...keptOf(1), upstream: 'second', fetchedAt: '2026-12-01T10:00:00.000Z' };
    await kept.put(changed);
    assert.deepEqual(await kept.get(uuid(1)), changed);
  });

  test('puts of one uuid at the same moment leave one of them, whole', async (t) => {
    const dir = await makeTempDir(t);
    const kept = createKeptManifests({ log: createCaptureLog() }, { dir });
    const upstreams = Array.from({ length: 10 }, (_, index) => `upstream ${index}`);
    await Promise.all(upstreams.map((upstream) => kept.put({ ...keptOf(1), upstream })));
    assert.equal((await kept.get(uuid(1)))?.upstream, 'upstream 9');
    assert.deepEqual(await readdir(join(dir, 'manifests')), [`${uuid(1)}.json`]);
  });

  test('an unsound file counts as absent, is logged once, and is replaced by the next put', async (t) => {
    const dir = await makeTempDir(t);
    const log = createCaptureLog();
    const kept = createKeptManifests({ log }, { dir });
    await kept.put(keptOf(1));
    await kept.put(keptOf(2));
    const path = join(dir, 'manifests', `${uuid(1)}.json`);
    const whole = await readFile(path, 'utf8');
    const other = JSON.stringify(keptOf(2));
    for (const text of ['', whole.slice(0, 100), '[]', '{}', other, whole.replace('"size": 3', '"size": "3"')]) {
      await writeFile(path, text);
      assert.equal(await kept.get(uuid(1)), undefined);
    }
    assert.deepEqual(await collect(kept), [uuid(2)]);
    assert.equal(log.linesOf('warn').length, 1);
    await kept.put(keptOf(1));
    assert.deepEqual(await kept.get(uuid(1)), keptOf(1));
  });

  test('what cannot be read is an error for one and left out of all', async (t) => {
    const dir = await makeTempDir(t);
    const log = createCaptureLog();
    const kept = createKeptManifests({ log }, { dir });
    await kept.put(keptOf(2));
    await mkdir(join(dir, 'manifests', `${uuid(1)}.json`));
    await assert.rejects(kept.get(uuid(1)), { name: 'MirrorError', code: 'InternalError' });
    assert.deepEqual(await collect(kept), [uuid(2)]);
    assert.equal(log.linesOf('error').length, 1);
    await rm(join(dir, 'manifests'), { recursive: true });
    await writeFile(join(dir, 'manifests'), '');
    await assert.rejects(collect(kept), { code: 'InternalError' });
    await assert.rejects(kept.put(keptOf(1)), { code: 'InternalError' });
  });

  test('a name that is no uuid never becomes a path', async (t) => {
    const dir = await makeTempDir(t);
    const kept = createKeptManifests({ log: createCaptureLog() }, { dir });
    for (const name of ['../../etc/passwd', '', undefined, uuid(1).toUpperCase().replace('0', 'A')]) {
      await assert.rejects(kept.put({ ...keptOf(1), manifest: { uuid: name } }), { code: 'InternalError' });
    }
    await writeFile(join(dir, 'other.json'), '{}');
    assert.deepEqual(await readdir(dir), ['other.json']);
  });
});
