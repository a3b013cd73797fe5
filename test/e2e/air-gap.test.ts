/** docs/air-gap.md, word for word: what stands in it is what is run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startImageServer } from '../support/image-server.ts';
import { blocksOf, openPlace, type Block, type Outcome, type Place } from '../support/document.ts';
import { makeImage } from '../support/images.ts';
import { createSdcClient } from '../support/sdc-client.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const DOCUMENT = fileURLToPath(new URL('../../docs/air-gap.md', import.meta.url));
const IMGADM = fileURLToPath(new URL('../support/imgadm-command.ts', import.meta.url));
/** Installs from the first bundle, on a host of its own. */
const BARE_HOST = /^tar xf/m;

/** The images that the document names, as an upstream of today might have them. */
const origin = makeImage({
  name: 'minimal-64-lts',
  version: '23.4.0',
  uuid: 'b7c7c9a8-4b3c-4dbb-8a4f-0e6f2f3b7a11',
  publishedAt: '2024-01-08T00:00:00Z',
  size: 90_000,
});
const image = makeImage({
  name: 'base-64-lts',
  version: '23.4.0',
  uuid: '502eeef2-8267-489f-b19c-a206906f57ef',
  publishedAt: '2024-01-09T00:00:00Z',
  size: 150_000,
  icon: true,
  origin,
});
const unwanted = makeImage({ name: 'debian-12', size: 50_000 });
/** Published between the two visits. */
const later = makeImage({
  name: 'base-64-lts',
  version: '24.4.0',
  publishedAt: '2025-01-13T00:00:00Z',
  size: 120_000,
  origin,
});

test('the walk-through of docs/air-gap.md works as it is written', async (t) => {
  if (spawnSync('openssl', ['version']).status !== 0) {
    t.skip('there is no openssl on this machine, with which the document makes keys');
    return;
  }
  const root = await makeTempDir(t);
  const upstream = await startImageServer({ images: [origin, image, unwanted] });
  t.after(async () => upstream.close());
  const disk = path.join(root, 'disk');
  await mkdir(disk);
  const blocks = blocksOf(await readFile(DOCUMENT, 'utf8')).filter(({ words }) => words.length > 0);

  const config = blocks.find(({ language }) => language === 'yaml');
  assert.ok(config, 'the site’s configuration is in the document');
  const places = new Map<string, Place>();
  for (const name of ['depot', 'site', 'host', 'bare-host']) {
    const dir = path.join(root, name);
    const keys = path.join(dir, 'keys');
    await mkdir(keys, { recursive: true });
    const env = {
      IMGAPI_MIRROR_CONFIG: path.join(dir, 'imgapi-mirror.yaml'),
      // Not of the walk-through: the machine of the tests has other disks, ports and addresses.
      IMGAPI_MIRROR_CACHE_DIR: path.join(dir, 'cache'),
      IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0',
      IMGAPI_MIRROR_LISTEN_HOST: '127.0.0.1',
      IMGAPI_MIRROR_LISTEN_PORT: '0',
      KEYS: keys,
      DISK: disk,
    };
    const text = name === 'site' ? config.text : `upstreams: [{ name: up, url: ${upstream.url} }]\n`;
    await writeFile(path.join(dir, 'imgapi-mirror.yaml'), text);
    places.set(name, await openPlace(t, dir, { env, commands: { imgadm: IMGADM } }));
  }
  // Known before it is listened on: the block that exports MIRROR comes after the one that serves.
  let siteUrl: string | undefined;

  const told: (Outcome & { readonly block: Block })[] = [];
  for (const block of blocks) {
    const [name = '', how] = block.words;
    const place = places.get(BARE_HOST.test(block.text) ? 'bare-host' : name);
    if (block.language !== 'sh') continue;
    assert.ok(place, `line ${block.line}: a place named ${name}`);
    if (how === 'stays') {
      siteUrl = await place.begin(block.text, /imgadm sources -a (\S+)/);
      continue;
    }
    if (block.text.includes('imgapi-mirror refresh')) upstream.images.add(later);
    const outcome = await place.run(
      name === 'host' && siteUrl !== undefined ? `MIRROR=${siteUrl}\n${block.text}` : block.text,
    );
    assert.equal(outcome.code, 0, `line ${block.line}: ${block.text}${outcome.out}${outcome.err}`);
    told.push({ ...outcome, block });
    // "by another way than the disk"
    const [depot, site] = ['depot', 'site'].map((keyPlace) => path.join(root, keyPlace, 'keys', 'depot.pub'));
    if (block.text.includes('-pubout')) await copyFile(depot ?? '', site ?? '');
  }

  const said = (text: string): string => {
    const outcome = told.findLast(({ block }) => block.text.includes(text));
    return `${outcome?.out}`;
  };
  assert.match(
    said('import "$DISK/images.bundle"'),
    /^would import 2 images: 3 files [^]*^imported 2 images: 3 files [^]*signature trusted/m,
  );
  assert.match(said('--since'), /^wrote 3 images, 2 of them unchanged and left out/m);
  assert.match(said('import "$DISK/more.bundle"'), /^imported [^]*base-64-lts +24\.4\.0/m);
  assert.match(said('imgadm import'), new RegExp(`^Imported ${image.uuid} on ${origin.uuid}$`, 'm'));
  assert.match(said('imgadm install'), new RegExp(`^Installed ${origin.uuid}\nInstalled ${image.uuid}$`, 'm'));
  assert.match(said('imgapi-mirror doctor'), /offline[^]*no problem/);
  const available = told
    .findLast(({ block }) => block.text.startsWith('imgadm avail'))
    ?.out.trimEnd()
    .split('\n');
  assert.deepEqual(
    available?.map((line) => line.split('  ')[0]).toSorted(),
    [origin.uuid, image.uuid, later.uuid].toSorted(),
  );
  assert.equal(upstream.countOf('file'), 3, 'each file crossed the WAN once, and the site asked nobody');

  const client = createSdcClient({ url: siteUrl ?? '' });
  t.after(() => client.close());
  assert.deepEqual(await client.getImage(image.uuid), image.manifest);
});
