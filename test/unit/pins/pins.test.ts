import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ImageBlobs } from '../../../src/blobs/eviction-ranking.ts';
import { isImageUuid, isSha1Hex, type ImageUuid, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { MAX_PINS, type Pin } from '../../../src/pins/pins-file.ts';
import { createPins } from '../../../src/pins/pins.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { sha1Of, uuidOf } from '../../support/manifest-of.ts';

function uuid(n: number): ImageUuid {
  const text = uuidOf(n);
  assert.ok(isImageUuid(text));
  return text;
}

function blob(name: string): Sha1Hex {
  const text = sha1Of(name);
  assert.ok(isSha1Hex(text));
  return text;
}

function image(n: number, origin?: number): ImageBlobs {
  return {
    uuid: uuid(n),
    origin: origin === undefined ? undefined : uuid(origin),
    files: [blob(`file ${n}`)],
    icon: blob(`icon ${n}`),
  };
}

function bench(images: readonly ImageBlobs[], written: readonly Pin[] = []) {
  const state = { written, error: undefined as Error | undefined, changes: 0, reads: 0, writes: 0 };
  const byUuid = new Map(images.map((one) => [one.uuid, one]));
  const log = createCaptureLog();
  const pins = createPins({
    file: {
      async read() {
        state.reads += 1;
        if (state.error !== undefined) throw state.error;
        return state.written;
      },
      async write(next) {
        if (state.error !== undefined) throw state.error;
        state.writes += 1;
        state.written = next;
      },
    },
    index: {
      get: (one) => byUuid.get(one),
      get changes() {
        return state.changes;
      },
    },
    log,
    now: () => Date.UTC(2026, 0, 1),
  });
  return { pins, state, log, byUuid };
}

test('a pin holds files and icons of the whole chain, and nothing above it', async () => {
  const { pins } = bench([image(1), image(2, 1), image(3, 2)]);
  await pins.load();
  assert.deepEqual(await pins.add([uuid(2)], 'operator'), [uuid(2)]);
  const held = ['file 1', 'icon 1', 'file 2', 'icon 2', 'file 3', 'icon 3'].filter((name) =>
    pins.holdsBlob(blob(name)),
  );
  assert.deepEqual(held, ['file 1', 'icon 1', 'file 2', 'icon 2']);
  assert.deepEqual(
    [1, 2, 3].map((n) => pins.heldBy(uuid(n))),
    [uuid(2), uuid(2), undefined],
  );
  assert.deepEqual(
    [1, 2].map((n) => pins.isPinned(uuid(n))),
    [false, true],
  );
});

test('an origin is held until the last pin above it is gone', async () => {
  const { pins } = bench([image(1), image(2, 1), image(3, 1)]);
  await pins.load();
  await pins.add([uuid(2), uuid(3)], 'operator');
  await pins.remove([uuid(2)], 'operator');
  assert.equal(pins.heldBy(uuid(1)), uuid(3));
  assert.deepEqual(await pins.remove([uuid(3), uuid(1)], 'operator'), [uuid(3)]);
  assert.equal(pins.heldBy(uuid(1)), undefined);
  assert.equal(pins.holdsBlob(blob('file 1')), false);
});

test('what becomes known of the chain later is held from then on', async () => {
  const { pins, state, byUuid } = bench([image(2, 1)]);
  await pins.load();
  await pins.add([uuid(2)], 'operator');
  assert.equal(pins.heldBy(uuid(1)), uuid(2));
  assert.equal(pins.holdsBlob(blob('file 1')), false);
  byUuid.set(uuid(1), image(1));
  state.changes += 1;
  assert.equal(pins.holdsBlob(blob('file 1')), true);
});

test('each source has its own pin of an image', async () => {
  const { pins, state } = bench([image(1)]);
  await pins.load();
  await pins.add([uuid(1), uuid(1)], 'operator');
  assert.deepEqual(await pins.add([uuid(1)], 'config'), [uuid(1)]);
  assert.deepEqual(await pins.add([uuid(1)], 'config'), []);
  assert.equal(state.writes, 2);
  assert.deepEqual(pins.sourcesOf(uuid(1)), ['operator', 'config']);
  await pins.remove([uuid(1)], 'operator');
  assert.deepEqual(pins.sourcesOf(uuid(1)), ['config']);
  assert.deepEqual(state.written, [{ uuid: uuid(1), since: '2026-01-01T00:00:00.000Z', by: 'config' }]);
});

test('while the file cannot be read everything is held, nothing is changed, and it is read again', async () => {
  const { pins, state, log } = bench(
    [image(1)],
    [{ uuid: uuid(1), since: '2026-01-01T00:00:00.000Z', by: 'operator' }],
  );
  state.error = new Error('EIO');
  await pins.load();
  assert.equal(log.linesOf(/nothing is evicted until/).length, 1);
  assert.ok(pins.holdsBlob(blob('whatever')) && pins.heldBy(uuid(9)) === uuid(9));
  await assert.rejects(pins.add([uuid(2)], 'operator'), /EIO/);
  state.error = undefined;
  await pins.load();
  assert.equal(pins.holdsBlob(blob('whatever')), false);
  assert.ok(pins.isPinned(uuid(1)) && !pins.isPinned(uuid(2)));
});

test('a pin that cannot be written down is none', async () => {
  const { pins, state } = bench([image(1)]);
  await pins.load();
  state.error = new Error('ENOSPC');
  await assert.rejects(pins.add([uuid(1)], 'operator'), /ENOSPC/);
  assert.equal(pins.isPinned(uuid(1)), false);
});

test('changes at one time are all written', async () => {
  const { pins, state } = bench([]);
  await pins.load();
  await Promise.all([1, 2, 3, 4].map(async (n) => pins.add([uuid(n)], 'operator')));
  assert.deepEqual(
    state.written.map((one) => one.uuid),
    [1, 2, 3, 4].map(uuid),
  );
});

test('a circle of origins ends, and more pins than are possible are refused', async () => {
  const { pins } = bench([image(1, 2), image(2, 1)]);
  await pins.load();
  await pins.add([uuid(1)], 'operator');
  assert.ok(pins.holdsBlob(blob('file 2')));
  const tooMany = Array.from({ length: MAX_PINS + 1 }, (_, n) => uuid(n + 10));
  await assert.rejects(pins.add(tooMany, 'operator'), /at most 50000/);
});
