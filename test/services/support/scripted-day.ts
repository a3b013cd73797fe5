/** A day in the life of three mirrors, in seconds: a big one with a sound and a failing upstream, and two with too little disk. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { startImageServer, type Behave, type Behaviour, type ImageServer } from '../../support/image-server.ts';
import { makeImage } from '../../support/images.ts';
import { until } from '../../support/wait-for.ts';
import type { Target } from './prometheus.ts';
import { CERT_FILE, fullDisk, smallCache, type MirrorOfDay } from './scripted-day-disks.ts';
import { blobPath, startDayMirror, type DayMirror } from './scripted-day-mirror.ts';

const HERD = 8;
const PATHS = [
  '/ping',
  '/images',
  '/channels',
  '/nowhere',
  '/_mirror',
  '/_mirror/',
  '/_mirror/health',
  '/_mirror/ready',
  '/_mirror/setup.sh',
];

export interface ScriptedDay {
  /** The small one serves HTTPS. */
  readonly targets: { readonly big: Target; readonly small: Target; readonly full: Target };
  /** Plays it; to be called once all have been scraped at rest. */
  play(): Promise<void>;
}

export async function prepareDay(t: TestContext): Promise<ScriptedDay> {
  const [big, small, full] = await Promise.all([bigSite(t), smallCache(t), fullDisk(t)]);
  await until(
    async () => {
      const lists = await Promise.all([big, small, full].map(async ({ mirror }) => mirror.get('/images')));
      return [big, small, full].every(({ listed }, at) => lists[at]?.body.includes(listed.uuid) === true);
    },
    { deadlineMs: 20_000, everyMs: 100, what: 'all have their lists' },
  );
  return {
    targets: {
      big: { url: big.mirror.url },
      small: { url: small.mirror.url, caFile: CERT_FILE },
      full: { url: full.mirror.url },
    },
    async play() {
      await Promise.all([big.play(), small.play(), full.play()]);
    },
  };
}

const IMAGES = {
  /** At the limit of its upstream it takes two scrapes and more. */
  herd: makeImage({ name: 'herd', size: 5_000_000, icon: true }),
  nightly: makeImage({ name: 'nightly', size: 200_000 }),
  rotting: makeImage({ name: 'rotting', size: 250_000 }),
  rebuilt: makeImage({ name: 'rebuilt', size: 100_000 }),
  replaced: makeImage({ name: 'replaced', size: 100_000 }),
  cut: makeImage({ name: 'cut', size: 600_000 }),
  ranged: makeImage({ name: 'ranged', size: 600_000 }),
  left: makeImage({ name: 'left', size: 600_000 }),
  corrupt: makeImage({ name: 'corrupt', size: 300_000 }),
  longer: makeImage({ name: 'longer', size: 300_000 }),
  mislabelled: makeImage({ name: 'mislabelled', size: 300_000 }),
  stalled: makeImage({ name: 'stalled', size: 300_000 }),
  lost: makeImage({ name: 'lost', size: 100_000 }),
};

/** What its upstream does wrong with some of them, by attempt. */
const MISBEHAVIOUR: Readonly<Record<string, (attempt: number) => Behaviour>> = {
  [IMAGES.cut.uuid]: (attempt) => (attempt === 1 ? { cutAfterBytes: 200_000 } : {}),
  [IMAGES.ranged.uuid]: (attempt) => ({ supportsRange: true, ...(attempt === 1 ? { cutAfterBytes: 200_000 } : {}) }),
  // After the first, three attempts without a new byte: what has come is left for another time.
  [IMAGES.left.uuid]: (attempt) => (attempt <= 4 ? { cutAfterBytes: 200_000 } : {}),
  [IMAGES.corrupt.uuid]: () => ({ corruptAtByte: 100 }),
  [IMAGES.longer.uuid]: () => ({ contentLength: 300_001 }),
  [IMAGES.mislabelled.uuid]: () => ({ contentMd5: 'wrong' }),
  [IMAGES.stalled.uuid]: () => ({ hangHeaders: true }),
};

const misbehave: Behave = ({ route, uuid, attempt }) => {
  if (route === 'list') return { extraEntries: [{ name: 'no image' }] };
  return route === 'file' && uuid !== undefined ? MISBEHAVIOUR[uuid]?.(attempt) : undefined;
};

async function bigSite(t: TestContext): Promise<MirrorOfDay> {
  const { lost, stalled, ...others } = IMAGES;
  const sound = await startImageServer({ images: [...Object.values(others), stalled], behave: misbehave });
  t.after(async () => sound.close());
  const failing = await startImageServer({ images: [lost, stalled] });
  t.after(async () => failing.close());
  const mirror = await startDayMirror(t, {
    upstreams: [
      { name: 'sound', url: sound.url, proxy: 'none', stallTimeout: '1s', bandwidth: { limit: '2MiB' } },
      { name: 'failing', url: failing.url, proxy: 'none' },
    ],
  });
  return {
    mirror,
    listed: lost,
    async play() {
      await coldHerdThenHits(mirror);
      await upkeep(mirror);
      await disagreements(mirror, sound);
      await badTransfers(mirror);
      await failures(mirror, failing);
    },
  };
}

async function coldHerdThenHits(mirror: DayMirror): Promise<void> {
  const { herd } = IMAGES;
  const found = await Promise.all(Array.from({ length: HERD }, async () => mirror.fetchRight(herd)));
  assert.deepEqual(found.toSorted(), [...Array.from({ length: HERD - 1 }, () => 'JOIN'), 'MISS']);
  for (let hits = 0; hits < 4; hits++) assert.equal(await mirror.fetchRight(herd), 'HIT');
  const ofImage = [`/images/${herd.uuid}`, `/images/${herd.uuid}/icon`];
  for (const path of [...PATHS, ...ofImage, ...ofImage, '/_mirror/api/status']) await mirror.get(path);
  await mirror.get('/_mirror/api/events', { abortAfterBytes: 1 });
}

async function upkeep(mirror: DayMirror): Promise<void> {
  const { nightly, rotting } = IMAGES;
  for (let nights = 0; nights < 2; nights++) await mirror.change('prefetch', { selectors: ['name=nightly'] });
  await mirror.change('pins', { selectors: ['name=herd'] });
  await mirror.change('evict', { selectors: ['name=nightly'] });
  assert.equal(await mirror.fetchRight(nightly), 'MISS');
  await mirror.fetchRight(rotting);
  await rot(blobPath(mirror, rotting));
  await mirror.change('scrub', {});
  mirror.reload();
}

/** An upstream changes what it has said: two images, of which one change is accepted, and a list that is suddenly empty, and stays so. */
async function disagreements(mirror: DayMirror, sound: ImageServer): Promise<void> {
  const { rebuilt, replaced } = IMAGES;
  for (const [name, { uuid }] of Object.entries({ rebuilt, replaced })) {
    sound.images.add(makeImage({ name, uuid, size: 100_000, contentSeed: 'another' }));
  }
  await mirror.change('refresh', {});
  await mirror.change('accept', { selectors: [rebuilt.uuid] });
  sound.behaviour = { listMode: 'empty' };
  await mirror.change('refresh', {});
  await mirror.get('/images');
}

/** Files that come broken, wrong, or not at all. The last one opens the breaker, and closes it. */
async function badTransfers(mirror: DayMirror): Promise<void> {
  const { cut, ranged, left, corrupt, longer, mislabelled, stalled } = IMAGES;
  await Promise.all([
    ...[cut, ranged, stalled].map(async (image) => mirror.fetchRight(image)),
    ...[corrupt, longer, mislabelled].map(async (image) => mirror.askFile(image)),
  ]);
  await mirror.askFile(left);
  await mirror.fetchRight(left);
}

async function failures(mirror: DayMirror, failing: ImageServer): Promise<void> {
  failing.behaviour = { status: 500 };
  for (let rounds = 0; rounds < 3; rounds++) {
    const statuses = await Promise.all([1, 2].map(async () => mirror.askFile(IMAGES.lost)));
    assert.deepEqual(statuses, [503, 503]);
  }
}

/** Turns one bit over. */
async function rot(path: string): Promise<void> {
  await using handle = await open(path, 'r+');
  const { buffer } = await handle.read(Buffer.alloc(1), 0, 1, 0);
  await handle.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 0);
}
