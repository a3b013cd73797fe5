import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ImageBlobs } from '../../../src/blobs/eviction-ranking.ts';
import { createImageFacts, type KnownImage, type KnownSet } from '../../../src/catalog/known-images.ts';
import type { ImageUuid } from '../../../src/imgapi/ids.ts';
import { createPinUpkeep } from '../../../src/pins/pin-upkeep.ts';
import type { Pin } from '../../../src/pins/pins-file.ts';
import { createPins } from '../../../src/pins/pins.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { manifestOf, uuidOf } from '../../support/manifest-of.ts';
import { until } from '../../support/wait-for.ts';
import { selectorOf } from '../selector/sample.ts';

function known(n: number, fields: Readonly<Record<string, unknown>> = {}): KnownImage {
  const published = `2024-01-0${n}T00:00:00Z`;
  const manifest = manifestOf({ uuid: uuidOf(n), published_at: published, ...fields });
  return { manifest, upstream: 'up0', upstreams: ['up0'], isListed: true };
}

function bench(t: TestContext, first: KnownSet) {
  const kept = new Map<ImageUuid, ImageBlobs>();
  const state = { set: first, error: undefined as Error | undefined, asked: 0, forgotten: [] as ImageUuid[] };
  let written: readonly Pin[] = [];
  const log = createCaptureLog();
  const index = { get: (uuid: ImageUuid) => kept.get(uuid), changes: 0 };
  const file = {
    read: async () => written,
    write: async (next: readonly Pin[]) => {
      written = next;
    },
  };
  const pins = createPins({ file, index, log, now: () => 0 });
  const upkeep = createPinUpkeep(
    {
      pins,
      known: {
        async all() {
          state.asked += 1;
          if (state.error !== undefined) throw state.error;
          return state.set;
        },
      },
      facts: createImageFacts({
        hasBlob: () => false,
        isPinned: (uuid) => pins.isPinned(uuid),
        isContradicted: () => false,
      }),
      index,
      keeper: {
        async keep({ manifest: { uuid, origin } }) {
          kept.set(uuid, { uuid, origin, files: [], icon: undefined });
          index.changes += 1;
        },
      },
      forgetUnstored: async (uuid) => void state.forgotten.push(uuid),
      log,
    },
    { everyMs: 60_000 },
  );
  t.after(() => upkeep.close());
  const pinned = (): string[] => pins.all().map(({ uuid, by }) => `${by} ${Number.parseInt(uuid.slice(0, 8), 16)}`);
  return { pins, upkeep, state, kept, log, pinned };
}

test('what configured selectors match is pinned, with its manifests, and let go of when a newer one takes its place', async (t) => {
  const { upkeep, state, kept, pinned } = bench(t, {
    images: [known(1), known(2, { origin: uuidOf(1) })],
    isComplete: true,
  });
  upkeep.setConfigured([selectorOf('name=base latest=1')]);
  await upkeep.look();
  assert.deepEqual(pinned(), ['config 2']);
  assert.deepEqual([...kept.keys()].toSorted(), [uuidOf(1), uuidOf(2)]);
  state.set = { images: [...state.set.images, known(3)], isComplete: true };
  await upkeep.look();
  assert.deepEqual(pinned(), ['config 3']);
  assert.deepEqual(state.forgotten, [uuidOf(2), uuidOf(1)]);
});

test('nothing is let go of while a list is missing, nor by an operator’s absence from it', async (t) => {
  const { pins, upkeep, state, pinned } = bench(t, { images: [known(1), known(2)], isComplete: true });
  upkeep.setConfigured([selectorOf('name=base')]);
  await upkeep.look();
  await pins.add([known(1).manifest.uuid], 'operator');
  state.set = { images: [], isComplete: false };
  await upkeep.look();
  assert.deepEqual(pinned().toSorted(), ['config 1', 'config 2', 'operator 1']);
  state.set = { images: [], isComplete: true };
  await upkeep.look();
  assert.deepEqual(pinned(), ['operator 1']);
});

test('an origin that becomes known later is kept from then on', async (t) => {
  const { pins, upkeep, state, kept } = bench(t, { images: [known(2, { origin: uuidOf(1) })], isComplete: true });
  await upkeep.look();
  await pins.add([known(2).manifest.uuid], 'operator');
  await upkeep.look();
  assert.deepEqual([...kept.keys()], [uuidOf(2)]);
  state.set = { images: [...state.set.images, known(1)], isComplete: true };
  await upkeep.look();
  assert.deepEqual([...kept.keys()], [uuidOf(2), uuidOf(1)]);
});

test('a selector that matches nothing is said once; a look that fails is tried again', async (t) => {
  const { upkeep, state, log } = bench(t, { images: [known(1)], isComplete: true });
  upkeep.setConfigured([selectorOf('name=bsae')]);
  await upkeep.look();
  await upkeep.look();
  assert.equal(log.linesOf(/"name=bsae" selects no image of 1.*near it: name=base/).length, 1);
  state.error = new Error('EIO');
  await upkeep.look();
  assert.equal(log.linesOf('error').length, 1);
});

test('looks when started and when there are new selectors, and ends while a look waits', async (t) => {
  const { upkeep, state, pinned, pins } = bench(t, { images: [known(1)], isComplete: true });
  upkeep.start();
  upkeep.setConfigured([selectorOf('name=base')]);
  await until(() => pinned().length === 1);
  const { asked } = state;
  upkeep.setConfigured([selectorOf('name=other')]);
  await until(() => state.asked > asked && pins.all().length === 0);
  await upkeep.close();
});

test('a mirror without pins asks for nothing', async (t) => {
  const { upkeep, state } = bench(t, { images: [], isComplete: true });
  await upkeep.look();
  assert.equal(state.asked, 0);
});
