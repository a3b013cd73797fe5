import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { windowsOf } from '../../support/image-bytes.ts';
import { makeCatalog, makeImage } from '../../support/images.ts';

test('the same call makes the same image, and another name another one', () => {
  const first = makeImage({ name: 'base', size: 5000 });
  assert.deepEqual(makeImage({ name: 'base', size: 5000 }).manifest, first.manifest);
  const other = makeImage({ name: 'other', size: 5000 });
  assert.notEqual(other.uuid, first.uuid);
  assert.notEqual(other.files[0]?.sha1, first.files[0]?.sha1);
});

test('the bytes fit the sha1, the md5 and the size of the manifest', () => {
  const image = makeImage({ size: 2_500_001, files: 2, icon: true });
  assert.deepEqual(
    image.manifest['files'],
    image.files.map(({ sha1, size }) => ({ sha1, size, compression: 'gzip' })),
  );
  for (const file of image.files) {
    const bytes = file.bytes();
    assert.equal(bytes.length, file.size);
    assert.equal(createHash('sha1').update(bytes).digest('hex'), file.sha1);
    assert.equal(createHash('md5').update(bytes).digest('base64'), file.md5);
  }
  assert.deepEqual(
    image.files.map((file) => file.size),
    [2_500_001, 2_500_002],
  );
});

test('any window of a file holds the same bytes as the whole', () => {
  const [file] = makeImage({ size: 100_000 }).files;
  assert.ok(file);
  const whole = file.bytes();
  for (const [start, length] of [
    [0, 1],
    [1, 15],
    [15, 18],
    [16, 16],
    [65_536, 1000],
    [99_990, 50],
    [100_000, 1],
  ] as const) {
    assert.deepEqual(file.read(start, length), whole.subarray(start, start + length), `${length} bytes from ${start}`);
  }
  assert.equal(
    [...windowsOf(file)].reduce((sum, window) => sum + window.length, 0),
    100_000,
  );
});

test('two images of one contentSeed share a sha1, and origin may be an image', () => {
  const origin = makeImage({ name: 'a', contentSeed: 'same', size: 10 });
  const image = makeImage({
    name: 'b',
    contentSeed: 'same',
    size: 10,
    origin,
    extra: { homepage: 'https://example.com' },
  });
  assert.equal(image.files[0]?.sha1, origin.files[0]?.sha1);
  assert.equal(image.manifest['origin'], origin.uuid);
  assert.equal(image.manifest['homepage'], 'https://example.com');
});

test('a catalog is in order, has ties around the first page end, and the oddities of real ones', () => {
  const catalog = makeCatalog(2500);
  assert.equal(new Set(catalog.map((image) => image.uuid)).size, 2500);
  const spelled = catalog.map(({ manifest }) => String(manifest['published_at']));
  const times = spelled.map((text) => Date.parse(text.endsWith('Z') ? text : `${text}Z`));
  assert.ok(times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0)));
  assert.equal(new Set(times.slice(995, 1005)).size, 1);
  assert.ok(new Set(times).size < 2200);
  assert.deepEqual(
    new Set(spelled.map((text) => text.replaceAll(/\d/g, '9').replace('T99:99', 'T'))),
    new Set(
      ['Z', ':99Z', ':99', ':99.999Z', ':99.9Z', ':99.99Z', ':99.999999Z', ':99.99999999Z', ':99.999999999Z'].map(
        (tail) => `9999-99-99T${tail}`,
      ),
    ),
  );
  for (const isThere of [
    (manifest: Record<string, unknown>) => typeof manifest['version'] === 'number',
    (manifest: Record<string, unknown>) => manifest['v'] === '2',
    (manifest: Record<string, unknown>) => manifest['public'] === false,
    (manifest: Record<string, unknown>) => Array.isArray(manifest['files']) && manifest['files'].length === 0,
  ]) {
    assert.ok(catalog.some(({ manifest }) => isThere(manifest)));
  }
  const sha1s = catalog.flatMap((image) => image.files.map((file) => file.sha1));
  assert.ok(new Set(sha1s).size < sha1s.length);
});

test('without oddities a catalog holds only plain manifests', () => {
  const catalog = makeCatalog(300, { oddities: false, each: { channels: ['dev'] } });
  assert.ok(catalog.every(({ manifest }) => String(manifest['published_at']).endsWith(':00.000Z')));
  assert.ok(catalog.every(({ files, manifest }) => files.length === 1 && Array.isArray(manifest['channels'])));
});
