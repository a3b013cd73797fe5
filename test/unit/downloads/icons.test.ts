import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { createIcons, type IconRequest, type Icons } from '../../../src/downloads/icons.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { sha1Of, type ImageUuid } from '../../../src/imgapi/ids.ts';
import type { KeptManifest, KeptManifests } from '../../../src/records/kept-manifests.ts';
import type { IconAnswer } from '../../../src/upstream/upstream.ts';
import { createCaptureLog, type CaptureLog } from '../../support/capture-log.ts';
import { manifestOf } from '../../support/manifest-of.ts';
import { createFakeBlobs, type FakeBlobs } from './fake-disk.ts';
import { createFakeUpstream, refusal, type FakeUpstream } from './fake-upstream.ts';

const PNG = Buffer.from('not really a PNG, but the mirror does not look');
const FOUND: IconAnswer = { kind: 'found', bytes: PNG, contentType: 'image/png' };
const manifest = manifestOf({ icon: true });
const request: IconRequest = { manifest, upstream: 'up0', channel: undefined, requestId: 'r1' };

interface Bench {
  readonly icons: Icons;
  readonly blobs: FakeBlobs;
  readonly kept: Map<ImageUuid, KeptManifest>;
  readonly log: CaptureLog;
  readonly upstream: FakeUpstream;
  keptError: Error | undefined;
  /** What is reserved now, in bytes each. */
  readonly reserved: number[];
  hasRoom: boolean;
}

function createBench(answer: () => IconAnswer | Promise<IconAnswer> = () => FOUND): Bench {
  const kept = new Map<ImageUuid, KeptManifest>();
  const fakeKept: KeptManifests = {
    async get(uuid) {
      await turn();
      return kept.get(uuid);
    },
    async put(one) {
      if (bench.keptError !== undefined) throw bench.keptError;
      kept.set(manifest.uuid, one);
    },
    async *all() {
      yield* kept.values();
    },
  };
  const blobs = createFakeBlobs();
  const log = createCaptureLog();
  const upstream = createFakeUpstream('up0', { icon: answer });
  const icons = createIcons({
    blobs,
    space: {
      async reserve(bytes) {
        bench.reserved.push(bytes);
        return bench.hasRoom ? { consumed: () => undefined, release: () => void bench.reserved.pop() } : undefined;
      },
    },
    kept: fakeKept,
    upstreamOf: (name) => (name === 'up0' ? upstream : undefined),
    log,
    now: () => Date.UTC(2026, 0, 1),
  });
  const bench: Bench = { icons, blobs, kept, log, upstream, keptError: undefined, reserved: [], hasRoom: true };
  return bench;
}

test('an icon is fetched once, kept with its image, and found again without the upstream', async () => {
  const { icons, blobs, kept, upstream } = createBench();
  const first = await icons.get(request);
  assert.deepEqual(first, {
    bytes: PNG,
    contentType: 'image/png',
    sha1: sha1Of(PNG),
    md5: createHash('md5').update(PNG).digest('base64'),
    cache: 'MISS',
  });
  assert.deepEqual(kept.get(manifest.uuid)?.icon, { sha1: sha1Of(PNG), size: PNG.length, contentType: 'image/png' });
  assert.deepEqual(kept.get(manifest.uuid)?.manifest, manifest.json);
  assert.deepEqual(await icons.get(request), { ...first, cache: 'HIT' });
  assert.equal(upstream.icons.length, 1);
  assert.deepEqual([blobs.partials[0]?.closes, blobs.openCloses], [1, 1]);
});

test('one that was kept under another type is served as plain bytes, and its image is kept on', async () => {
  const { icons, kept } = createBench();
  await icons.get(request);
  const before = kept.get(manifest.uuid)!;
  kept.set(manifest.uuid, { ...before, icon: { ...before.icon!, contentType: 'image/svg+xml' } });
  assert.equal((await icons.stored(manifest.uuid))?.contentType, 'application/octet-stream');
});

test('room is reserved for an icon as for a file; without room it is served and not kept', async () => {
  const { icons, blobs, reserved } = createBench();
  await icons.get(request);
  assert.deepEqual([reserved, blobs.partials.length], [[], 1]);

  const full = createBench();
  full.hasRoom = false;
  assert.equal((await full.icons.get(request))?.cache, 'MISS');
  assert.equal((await full.icons.get(request))?.cache, 'MISS');
  assert.deepEqual([full.reserved, full.blobs.partials.length, full.kept.size], [[PNG.length, PNG.length], 0, 0]);
});

test('who asks while it is being fetched shares the fetch', async () => {
  const { icons, upstream } = createBench();
  const answers = await Promise.all([icons.get(request), icons.get(request), icons.get(request)]);
  assert.deepEqual(
    answers.map((icon) => icon?.cache),
    ['MISS', 'JOIN', 'JOIN'],
  );
  assert.equal(upstream.icons.length, 1);
});

test('a fetch is for whom it was begun for, until a client joins it', async () => {
  const { icons, upstream } = createBench(() => ({ kind: 'absent' }));
  const forLater = { ...request, priority: 'prefetch' } as const;
  await icons.get(forLater);
  await icons.get(request);
  await Promise.all([icons.get(forLater), icons.get(forLater), icons.get(request)]);
  assert.deepEqual(
    upstream.icons.map(({ urgency }) => urgency?.priority),
    ['prefetch', 'demand', 'demand'],
  );
});

test('the channel the client names goes to the upstream', async () => {
  const { icons, upstream } = createBench();
  await icons.get({ ...request, channel: 'dev' });
  assert.equal(upstream.icons[0]?.channel, 'dev');
});

test('a confirmed absence is undefined, and is asked again next time', async () => {
  const { icons, upstream } = createBench(() => ({ kind: 'absent' }));
  assert.equal(await icons.get(request), undefined);
  assert.equal(await icons.get(request), undefined);
  assert.equal(upstream.icons.length, 2);
});

test('an upstream that cannot be asked is an error for all who wait, never an absence', async () => {
  const { icons } = createBench(() => {
    throw refusal(503);
  });
  const results = await Promise.allSettled([icons.get(request), icons.get(request)]);
  for (const result of results) assert.ok(result.status === 'rejected' && result.reason instanceof MirrorError);
  await assert.rejects(icons.get(request), { code: 'UpstreamUnavailable' });
});

test('an image of an upstream that is not configured any more has its icon only if it is stored', async () => {
  const { icons } = createBench();
  await assert.rejects(icons.get({ ...request, upstream: 'gone' }), {
    code: 'ServiceUnavailableError',
    message: /gone/,
  });
  await icons.get(request);
  assert.equal((await icons.get({ ...request, upstream: 'gone' }))?.cache, 'HIT');
});

test('an icon that cannot be stored is served all the same, and its file is closed and discarded', async () => {
  const { icons, blobs, log } = createBench();
  blobs.commitError = new MirrorError('InternalError', 'rename failed');
  assert.deepEqual((await icons.get(request))?.bytes, PNG);
  assert.deepEqual([blobs.discarded, blobs.partials[0]?.closes], [1, 1]);
  assert.equal(log.linesOf(/could not be stored/).length, 1);
});

test('an icon whose manifest cannot be kept is served all the same', async () => {
  const bench = createBench();
  bench.keptError = new MirrorError('InternalError', 'disk full');
  assert.deepEqual((await bench.icons.get(request))?.bytes, PNG);
  assert.equal(bench.log.linesOf('warn').length, 1);
});

test('one icon under two images is one blob', async () => {
  const { icons, blobs } = createBench();
  await icons.get(request);
  const other = manifestOf({ icon: true, uuid: '22222222-2222-4222-8222-222222222222' });
  assert.equal((await icons.get({ ...request, manifest: other }))?.cache, 'MISS');
  assert.equal(blobs.partials.length, 1);
});

test('after the close no upstream is asked', async () => {
  const { icons, upstream } = createBench(async () => {
    upstream.icons.at(-1)?.signal.throwIfAborted();
    return FOUND;
  });
  icons.close();
  await assert.rejects(icons.get(request));
});
