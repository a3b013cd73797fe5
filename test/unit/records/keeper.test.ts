import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { sha1Of, type ImageUuid, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { createKeeper, type Keeper } from '../../../src/records/keeper.ts';
import type { KeptManifest, KeptManifests } from '../../../src/records/kept-manifests.ts';
import { createRecords, type Records } from '../../../src/records/records.ts';
import { createCaptureLog, type CaptureLog } from '../../support/capture-log.ts';
import { manifestOf } from '../../support/manifest-of.ts';

const SHA1: Sha1Hex = sha1Of(Buffer.from('a blob'));
const NOW = Date.UTC(2026, 0, 1);
const manifest = manifestOf({});
const image = { manifest, upstream: 'up0' } as const;

interface Bench {
  readonly keeper: Keeper;
  readonly records: Records;
  readonly log: CaptureLog;
  readonly kept: Map<ImageUuid, KeptManifest>;
  gets: number;
  puts: number;
  putError: Error | undefined;
}

function createBench(): Bench {
  const kept = new Map<ImageUuid, KeptManifest>();
  const log = createCaptureLog();
  const records = createRecords({ store: new Map(), log });
  const fake: KeptManifests = {
    async get(uuid) {
      bench.gets += 1;
      return kept.get(uuid);
    },
    async put(one) {
      bench.puts += 1;
      if (bench.putError !== undefined) throw bench.putError;
      kept.set(manifest.uuid, one);
    },
    async *all() {
      yield* kept.values();
    },
  };
  const keeper = createKeeper({ kept: fake, records, log, now: () => NOW });
  const bench: Bench = { keeper, records, log, kept, gets: 0, puts: 0, putError: undefined };
  return bench;
}

test('the manifest of a stored blob is kept with its upstream and time, and the use is noted', async () => {
  const { keeper, records, kept } = createBench();
  keeper.onServed(image, SHA1, Promise.resolve(true));
  await keeper.close();
  assert.deepEqual(kept.get(manifest.uuid), {
    upstream: 'up0',
    fetchedAt: new Date(NOW).toISOString(),
    manifest: manifest.json,
  });
  assert.equal(await records.lastUse.get(SHA1), NOW);
});

test('of a blob that is not stored in the end nothing is kept', async () => {
  const { keeper, puts, kept } = createBench();
  keeper.onServed(image, SHA1, Promise.resolve(false));
  await keeper.close();
  assert.deepEqual([puts, kept.size], [0, 0]);
});

test('it waits for the blob before it keeps the manifest, and close waits for both', async () => {
  const { keeper, kept } = createBench();
  const stored = Promise.withResolvers<boolean>();
  keeper.onServed(image, SHA1, stored.promise);
  let isClosed = false;
  const closing = (async () => {
    await keeper.close();
    isClosed = true;
  })();
  await Promise.resolve();
  assert.deepEqual([kept.size, isClosed], [0, false]);
  stored.resolve(true);
  await closing;
  assert.equal(kept.size, 1);
});

test('what is kept already costs a hit nothing', async () => {
  const bench = createBench();
  bench.keeper.onServed(image, SHA1, Promise.resolve(true));
  await bench.keeper.close();
  bench.keeper.onServed(image, SHA1, Promise.resolve(true));
  await bench.keeper.close();
  assert.deepEqual([bench.gets, bench.puts], [1, 1]);
});

test('a manifest that its upstream has changed is kept anew', async () => {
  const bench = createBench();
  bench.keeper.onServed(image, SHA1, Promise.resolve(true));
  await bench.keeper.close();
  const changed = manifestOf({ description: 'changed' });
  bench.keeper.onServed({ ...image, manifest: changed }, SHA1, Promise.resolve(true));
  await bench.keeper.close();
  assert.deepEqual(bench.kept.get(manifest.uuid)?.manifest, changed.json);
});

test('the icon that was kept with it stays', async () => {
  const { keeper, kept } = createBench();
  const icon = { sha1: SHA1, size: 7, contentType: 'image/png' } as const;
  kept.set(manifest.uuid, { upstream: 'up0', fetchedAt: '2025-01-01T00:00:00Z', manifest: manifest.json, icon });
  keeper.onServed(image, SHA1, Promise.resolve(true));
  await keeper.close();
  assert.deepEqual(kept.get(manifest.uuid)?.icon, icon);
});

test('a manifest that cannot be kept is a line in the log, and the next hit tries again', async () => {
  const bench = createBench();
  bench.putError = new MirrorError('InternalError', 'ENOSPC');
  bench.keeper.onServed(image, SHA1, Promise.resolve(true));
  await bench.keeper.close();
  assert.equal(bench.log.linesOf('error').length, 1);
  bench.putError = undefined;
  bench.keeper.onServed(image, SHA1, Promise.resolve(true));
  await bench.keeper.close();
  assert.equal(bench.kept.size, 1);
});

test('a manifest that was forgotten is kept again when its image is next served', async () => {
  const { keeper, kept } = createBench();
  keeper.onServed(image, SHA1, Promise.resolve(true));
  await keeper.close();
  kept.clear();
  keeper.forget(manifest.uuid);
  keeper.onServed(image, SHA1, Promise.resolve(true));
  await keeper.close();
  assert.equal(kept.size, 1);
});
