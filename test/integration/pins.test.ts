/** Pins and `evict` through a whole mirror: what is held stays, over restarts and without records; the rest goes in order. */
import assert from 'node:assert/strict';
import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { MirrorError } from '../../src/imgapi/errors.ts';
import type { OperationContext } from '../../src/operations/operation.ts';
import type { Results } from '../../src/operations/results.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';

const SIZE = 200_000;
const parent = makeImage({ name: 'parent', size: SIZE });
const child = makeImage({ name: 'child', size: SIZE, origin: parent });
const other = makeImage({ name: 'other', size: SIZE });
const images = [parent, child, other];

const CONTEXT: OperationContext = { signal: new AbortController().signal, onEvent: () => undefined };

async function run<V extends 'pin' | 'unpin' | 'evict'>(
  mirror: TestMirror,
  verb: V,
  selectors: readonly string[],
  dryRun = false,
): Promise<Results[V]> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table of results says what each verb gives
  return (await mirror.app.operations[verb].run({ selectors, dryRun }, CONTEXT)) as Results[V];
}

async function fetchImage(mirror: TestMirror, image: TestImage): Promise<string> {
  const answer = await rawRequest({ port: mirror.port, path: `/images/${image.uuid}/file`, hash: true });
  assert.equal(answer.sha1, image.files[0]?.sha1);
  return String(answer.headers['x-cache']);
}

async function isKept(mirror: TestMirror, image: TestImage): Promise<boolean> {
  return access(join(mirror.dir, 'manifests', `${image.uuid}.json`)).then(
    () => true,
    () => false,
  );
}

/** Fetched, stored, and its manifest written. */
async function cacheAll(mirror: TestMirror, some: readonly TestImage[] = images): Promise<void> {
  for (const image of some) {
    await fetchImage(mirror, image);
    await until(async () => isKept(mirror, image));
  }
}

function uuidsOf(labels: readonly { readonly uuid: string }[]): string[] {
  return labels.map(({ uuid }) => uuid);
}

test('a pin holds the chain against evict, over a restart that lost the records, with no upstream; then it can go', async (t) => {
  const upstream = await startImageServer({ images });
  const first = await startMirror(t, { upstreams: [upstream.url] });
  await cacheAll(first);
  const pinned = await run(first, 'pin', ['name=child']);
  assert.deepEqual(uuidsOf(pinned.pinned), [child.uuid]);
  assert.deepEqual(uuidsOf(pinned.origins), [parent.uuid]);
  assert.deepEqual(uuidsOf((await run(first, 'pin', ['name=child'])).already), [child.uuid]);
  await first.close();
  await upstream.close();
  for (const name of await readdir(first.dir)) {
    if (name.startsWith('records.sqlite')) await rm(join(first.dir, name));
  }

  const mirror = await startMirror(t, { upstreams: [upstream.url], dir: first.dir, waitForCatalog: false });
  const evicted = await run(mirror, 'evict', ['name=*']);
  assert.deepEqual(uuidsOf(evicted.evicted), [other.uuid]);
  assert.deepEqual(
    new Map(evicted.kept.map(({ uuid, reason, because }) => [uuid, [reason, because]])),
    new Map<string, unknown>([
      [child.uuid, ['pinned', null]],
      [parent.uuid, ['origin-of-pinned', child.uuid]],
    ]),
  );
  assert.equal(await fetchImage(mirror, child), 'HIT');
  assert.equal(await isKept(mirror, other), false);

  const unpinned = await run(mirror, 'unpin', [child.uuid]);
  assert.deepEqual(uuidsOf(unpinned.unpinned), [child.uuid]);
  assert.deepEqual(unpinned.stillHeld, []);
  const gone = await run(mirror, 'evict', ['name=*']);
  assert.deepEqual(uuidsOf(gone.evicted), [child.uuid, parent.uuid]);
  assert.ok(gone.bytes >= 2 * SIZE);
  assert.deepEqual(await readdir(join(mirror.dir, 'manifests')), []);
  assert.equal(await mirror.metric('imgapi_mirror_evictions_total{reason="operator"}'), 3);
});

test('an image can be pinned before it is cached: its manifests are kept, and let go of with the pin', async (t) => {
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  assert.deepEqual(uuidsOf((await run(mirror, 'pin', ['name=child'], true)).pinned), [child.uuid]);
  assert.equal(await isKept(mirror, child), false);
  await run(mirror, 'pin', ['name=child']);
  assert.deepEqual([await isKept(mirror, child), await isKept(mirror, parent)], [true, true]);
  await cacheAll(mirror, [parent]);
  const { evicted, kept } = await run(mirror, 'evict', ['name=parent']);
  assert.deepEqual([evicted, uuidsOf(kept)], [[], [parent.uuid]]);
  await run(mirror, 'unpin', ['name=child']);
  // Nothing of the child is stored; the parent is cached.
  assert.deepEqual([await isKept(mirror, child), await isKept(mirror, parent)], [false, true]);
});

test('evict takes no origin from a child that stays, and a dry run takes nothing', async (t) => {
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await cacheAll(mirror);
  const alone = await run(mirror, 'evict', ['name=parent']);
  assert.deepEqual(alone.kept, [
    { uuid: parent.uuid, name: 'parent', version: '1.0.0', reason: 'has-children', because: child.uuid },
  ]);
  const dry = await run(mirror, 'evict', ['name=*'], true);
  assert.equal(dry.evicted.length, 3);
  assert.equal(await fetchImage(mirror, other), 'HIT');
  const both = await run(mirror, 'evict', ['name=child with-origins']);
  assert.deepEqual(uuidsOf(both.evicted), [child.uuid, parent.uuid]);
  assert.equal(both.notCached, 0);
  assert.equal((await run(mirror, 'evict', ['name=parent'])).notCached, 1);
  assert.equal(await fetchImage(mirror, parent), 'MISS');
});

test('a selector that selects nothing is an error for pin and a warning for evict; a wrong one is an error', async (t) => {
  await using upstream = await startImageServer({ images });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  await assert.rejects(run(mirror, 'pin', ['name=chld']), (error) => {
    assert.ok(error instanceof MirrorError);
    assert.match(error.message, /"name=chld" selects no image of 3; near it: name=child/);
    return true;
  });
  const nothing = await run(mirror, 'evict', ['name=chld']);
  assert.deepEqual([nothing.evicted, nothing.warnings.length], [[], 1]);
  for (const verb of ['pin', 'unpin', 'evict'] as const) {
    await assert.rejects(run(mirror, verb, ['nmae=child']), (error) => {
      assert.ok(error instanceof MirrorError && error.code === 'ValidationFailed');
      return /did you mean name=child/.test(error.message);
    });
  }
  await assert.rejects(run(mirror, 'evict', []), MirrorError);
});
