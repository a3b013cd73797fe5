/** Archives that somebody made to do harm: each is refused with a reason, and nothing has changed. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parseIndex } from '../../../src/bundle/bundle-index.ts';
import { tarHeader } from '../../../src/bundle/tar-header.ts';
import { bundlePath, openBundleSite } from '../../support/bundle-site.ts';
import { makeImage } from '../../support/images.ts';

const IMAGE = makeImage({ name: 'victim', size: 3_000, icon: true });
const OTHER = makeImage({ name: 'other', size: 700 });
const INDEX = 'imgapi-mirror-bundle.json';
type Json = Record<string, unknown>;

/** A bundle taken apart: the index, and then header and contents of each entry. */
interface Parts {
  index: Json & { images: (Json & { manifest: Json; files: Json[]; icon?: Json })[] };
  entries: { header: Buffer; contents: Buffer }[];
  end: Buffer;
}

function parse(bundle: Buffer): Parts {
  const entries: Parts['entries'] = [];
  let at = 0;
  while (bundle[at] !== 0) {
    const size = Number.parseInt(bundle.toString('latin1', at + 124, at + 135), 8);
    entries.push({
      header: Buffer.from(bundle.subarray(at, at + 512)),
      contents: Buffer.from(bundle.subarray(at + 512, at + 512 + size)),
    });
    at += 512 + Math.ceil(size / 512) * 512;
  }
  const [index] = entries.splice(0, 1);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- we have just written it
  return { index: JSON.parse(index!.contents.toString()) as Parts['index'], entries, end: Buffer.alloc(1024) };
}

function block(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]);
}

/** In the product's own form, so that nothing but what was changed can be what is refused. */
function build({ index, entries, end }: Parts): Buffer {
  const { images, ...head } = index;
  const text = Buffer.from(
    `${JSON.stringify({ ...head, images: [] }).slice(0, -2)}\n${images.map((image) => `  ${JSON.stringify(image)}`).join(',\n')}\n]}\n`,
  );
  return Buffer.concat([
    tarHeader(INDEX, text.length),
    block(text),
    ...entries.flatMap(({ header, contents }) => [header, block(contents)]),
    end,
  ]);
}

/** Another name or kind in a header, with its checksum made right again. */
function forge(header: Buffer, { name, kind, prefix }: { name?: string; kind?: string; prefix?: string }): Buffer {
  const forged = Buffer.from(header);
  if (name !== undefined) forged.fill(0, 0, 100).write(name, 'latin1');
  if (kind !== undefined) forged.write(kind, 156, 'latin1');
  if (prefix !== undefined) forged.write(prefix, 345, 'latin1');
  forged.write('        ', 148, 'latin1');
  const sum = forged.reduce((total, byte) => total + byte, 0);
  forged.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return forged;
}

/** Replaces the first image's manifest, with the index telling of the new one. */
function withManifest(parts: Parts, change: (manifest: Json) => unknown): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- we have just written it
  const text = Buffer.from(JSON.stringify(change(JSON.parse(parts.entries[0]!.contents.toString()) as Json)));
  const { manifest } = parts.index.images[0]!;
  manifest['size'] = text.length;
  manifest['sha1'] = createHash('sha1').update(text).digest('hex');
  manifest['sha256'] = createHash('sha256').update(text).digest('hex');
  parts.entries[0] = { header: tarHeader(String(manifest['name']), text.length), contents: text };
}

const extra = (name: string, kind: string): Parts['entries'][number] => ({
  header: forge(tarHeader('x', 0), { name, kind }),
  contents: Buffer.alloc(0),
});
const image = (parts: Parts): Parts['index']['images'][number] => parts.index.images[0]!;

const ATTACKS: Readonly<Record<string, readonly [RegExp, (parts: Parts) => void]>> = {
  'an absolute path': [
    /"\/etc\/passwd" is an absolute path/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { name: '/etc/passwd' })),
  ],
  'a path that climbs': [
    /leads out of its directory/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { name: '../../etc/passwd' })),
  ],
  'a climbing prefix': [
    /leads out of its directory/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { prefix: '..' })),
  ],
  'a symbolic link': [
    /is a symbolic link/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { kind: '2' })),
  ],
  'a hard link': [
    /is a hard link/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { kind: '1' })),
  ],
  'a device': [
    /is a character device/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { kind: '3' })),
  ],
  'a sparse file': [
    /is a sparse file/,
    ({ entries }) => void (entries[1]!.header = forge(entries[1]!.header, { kind: 'S' })),
  ],
  'a long name that follows': [/is a GNU long name/, ({ entries }) => void entries.splice(1, 0, extra('x', 'L'))],
  'an entry that is not listed': [
    /lists no more entries, but "evil\.sh"/,
    ({ entries }) => void entries.push(extra('evil.sh', '0')),
  ],
  'an entry twice': [/but "victim.*is what is there/, ({ entries }) => void entries.splice(1, 0, entries[0]!)],
  'a missing entry': [/is due at byte/, ({ entries }) => void entries.splice(1, 1)],
  'entries in another order': [/is due at byte/, ({ entries }) => void entries.push(...entries.splice(0, 1))],
  'a wrong header checksum': [/checksum is wrong/, ({ entries }) => void (entries[1]!.header[150]! ^= 1)],
  'another owner': [/is due at byte/, ({ entries }) => void entries[1]!.header.write('7', 115)],
  'junk after the end': [
    /40 bytes follow after its end/,
    (parts) => void (parts.end = Buffer.concat([parts.end, Buffer.alloc(40, 1)])),
  ],
  'no end': [/cut short/, (parts) => void (parts.end = Buffer.alloc(0))],
  'a lone end block': [/cut short/, (parts) => void (parts.end = Buffer.alloc(512))],
  'wrong bytes': [/is damaged: its SHA-1/, ({ entries }) => void (entries[1]!.contents[9]! ^= 1)],
  'a damaged manifest': [/is damaged/, ({ entries }) => void (entries[0]!.contents[9]! ^= 1)],
  'a damaged icon': [/is damaged/, ({ entries }) => void (entries[2]!.contents[9]! ^= 1)],
  'the SHA-256 of other bytes': [/is damaged/, (parts) => void (image(parts).files[0]!['sha256'] = 'a'.repeat(64))],
  "a manifest that names another's uuid": [
    /names .*, the index says/,
    (parts) => withManifest(parts, (json) => ({ ...json, uuid: OTHER.uuid })),
  ],
  'a manifest that names other files': [
    /names other files/,
    (parts) => withManifest(parts, (json) => ({ ...json, files: OTHER.manifest['files'] })),
  ],
  'a manifest that is none': [
    /files is not an array/,
    (parts) => withManifest(parts, (json) => ({ ...json, files: 7 })),
  ],
  'a manifest that is no object': [/not an object/, (parts) => withManifest(parts, () => [])],
  'a name with a slash': [/a name that no entry may have/, (parts) => void (image(parts).files[0]!['name'] = 'a/b')],
  'a name that is an option': [
    /a name that no entry may have/,
    (parts) => void (image(parts).files[0]!['name'] = '--to-command=sh'),
  ],
  'the name of the index': [
    /lists imgapi-mirror-bundle.json twice/,
    (parts) => void (image(parts).files[0]!['name'] = INDEX),
  ],
  'an image twice': [/twice/, ({ index }) => void index.images.push(index.images[0]!)],
  'a file of more bytes than there are': [
    /is due at byte|cut short/,
    (parts) => void (image(parts).files[0]!['size'] = 2 ** 40),
  ],
  'more bytes than can be counted': [
    /more bytes than any file has/,
    (parts) => void (image(parts).files[0]!['size'] = Number.MAX_SAFE_INTEGER),
  ],
  'a negative size': [/has no size/, (parts) => void (image(parts).files[0]!['size'] = -1)],
  'a huge manifest': [/is too big/, (parts) => void (image(parts).manifest['size'] = 2 ** 30)],
  'a huge icon': [/is too big/, (parts) => void (image(parts).icon!['size'] = 2 ** 30)],
  'an icon that is a page': [/is no image/, (parts) => void (image(parts).icon!['contentType'] = 'text/html')],
  'a SHA-1 that is a path': [
    /lacks a digest/,
    (parts) => void (image(parts).files[0]!['sha1'] = '../../../../../../../../../../../etc/pass'),
  ],
  'an unknown field': [/not written as this program writes it/, (parts) => void (image(parts)['more'] = 1)],
  'another format': [/format is 2, this program knows 1/, ({ index }) => void (index['format'] = 2)],
  'files without their manifest': [/files but no manifest/, (parts) => void (image(parts).manifest['name'] = null)],
};

suite('hostile bundles', () => {
  test('taking a bundle apart and putting it together changes nothing', async (t) => {
    const here = await openBundleSite(t);
    await here.add(IMAGE, OTHER);
    here.selected = [IMAGE];
    await here.export({ output: bundlePath(here) });
    const bundle = await readFile(bundlePath(here));
    assert(build(parse(bundle)).equals(bundle));
    assert.equal(
      parseIndex(Buffer.from(bundle.subarray(512, 512 + Number.parseInt(bundle.toString('latin1', 124, 135), 8))))
        .images.length,
      1,
    );
  });

  for (const [name, [reason, attack]] of Object.entries(ATTACKS)) {
    test(`${name} is refused`, async (t) => {
      const here = await openBundleSite(t);
      const there = await openBundleSite(t);
      await here.add(IMAGE);
      await here.export({ output: bundlePath(here) });
      const parts = parse(await readFile(bundlePath(here)));
      attack(parts);
      const bundle = join(here.dir, 'hostile');
      await writeFile(bundle, build(parts));
      await assert.rejects(there.verify({ bundle }), { code: 'BundleRefused', message: reason });
      await assert.rejects(there.import({ bundle }), { code: 'BundleRefused', message: reason });
      const left = (await readdir(there.dir, { recursive: true, withFileTypes: true })).filter((entry) =>
        entry.isFile(),
      );
      assert.deepEqual(left, []);
    });
  }

  test('what is no bundle at all is refused', async (t) => {
    const here = await openBundleSite(t);
    const bundle = join(here.dir, 'no-bundle');
    for (const bytes of [
      Buffer.alloc(0),
      Buffer.from('hello'),
      Buffer.alloc(4096),
      tarHeader('readme', 0),
      tarHeader(INDEX, 2 ** 31),
    ]) {
      await writeFile(bundle, bytes);
      await assert.rejects(here.import({ bundle }), { code: 'BundleRefused' });
    }
    await assert.rejects(here.import({ bundle: here.dir }), { code: 'BundleRefused', message: /no regular file/ });
    await assert.rejects(here.import({ bundle: join(here.dir, 'none') }), { code: 'ValidationFailed' });
  });
});
