import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha1Of } from '../../support/manifest-of.ts';
import { fakeKept, uuidOf } from '../catalog/fake-catalog.ts';
import { said, trustBench, type TrustBench } from './trust-bench.ts';

const list = (upstream: string, ...manifests: ReturnType<typeof said>[]) => ({ upstream, manifests });
const A = said(1, ['a'], { description: 'first' });
const B = said(1, ['b'], { description: 'second' });

async function contradicted(bench: TrustBench): Promise<TrustBench> {
  await bench.refresh([list('up0', A)]);
  bench.clock += 60_000;
  await bench.refresh([list('up0', B)]);
  return bench;
}

test('what was first seen stays in force, whole, and the conflict is said once', async (t) => {
  const bench = await trustBench(t);
  await bench.refresh([list('up0', A)]);
  for (let refresh = 0; refresh < 3; refresh += 1) {
    const shown = (await bench.refresh([list('up0', said(1, ['b'], { description: `${refresh}` }))])).get(uuidOf(1));
    assert.equal(shown?.manifest, A);
    assert.equal(shown.isRemembered, true);
  }
  assert.equal(bench.log.linesOf(/disagrees/).length, 1);
  assert.equal(bench.trust.conflictCount, 1);
  assert.ok(bench.trust.isContradicted(uuidOf(1)));
});

test('another answer is said anew, and one that is taken back ends the conflict', async (t) => {
  const bench = await contradicted(await trustBench(t));
  await bench.refresh([list('up0', said(1, ['c']))]);
  assert.equal(bench.log.linesOf(/disagrees/).length, 2);
  const shown = (await bench.refresh([list('up0', A)])).get(uuidOf(1));
  assert.deepEqual([shown?.isRemembered, bench.trust.conflictCount], [false, 0]);
});

test('an upstream that says otherwise of everything is a few lines, not thousands', async (t) => {
  const bench = await trustBench(t);
  for (const content of ['a', 'b']) {
    const manifests = Array.from({ length: 300 }, (_, n) => said(n, [`${content}${n}`]));
    await bench.refresh([{ upstream: 'up0', manifests }]);
  }
  assert.equal(bench.trust.conflictCount, 300);
  assert.equal(bench.log.linesOf('warn').length, 21);
  assert.equal(bench.log.linesOf(/more images/)[0]?.fields['more'], 280);
});

test('changed words are no conflict: the newer manifest is in force and remembered', async (t) => {
  const bench = await trustBench(t);
  await bench.refresh([list('up0', A)]);
  const newer = said(1, ['a'], { description: 'newer' });
  assert.equal((await bench.refresh([list('up0', newer)])).get(uuidOf(1))?.manifest, newer);
  assert.equal((await bench.refresh([list('up0', B)])).get(uuidOf(1))?.manifest, newer);
});

test('a file where there was none is the image being activated; a file that vanishes is a conflict', async (t) => {
  const bench = await trustBench(t);
  await bench.refresh([list('up0', said(1, []))]);
  const active = (await bench.refresh([list('up0', A)])).get(uuidOf(1));
  assert.deepEqual([active?.manifest, bench.trust.conflictCount], [A, 0]);
  const emptied = (await bench.refresh([list('up0', said(1, []))])).get(uuidOf(1));
  assert.deepEqual([emptied?.manifest, bench.trust.conflictCount], [A, 1]);
  const other = (await bench.refresh([list('up0', B)])).get(uuidOf(1));
  assert.deepEqual([other?.manifest, bench.trust.conflictCount], [A, 1], 'no way round by way of no file');
});

test('one more file behind the remembered ones is a conflict like any other', async (t) => {
  const bench = await trustBench(t);
  const two = said(1, ['a', 'b']);
  await bench.refresh([list('up0', A)]);
  const shown = (await bench.refresh([list('up0', two)])).get(uuidOf(1));
  assert.deepEqual([shown?.manifest, bench.trust.conflictCount], [A, 1]);
  assert.equal(bench.trust.remember({ manifest: two, upstream: 'up0' }), false);
  const { from, to } = await bench.trust.accept(uuidOf(1));
  assert.deepEqual([from.sha1, to.sha1], [null, B.files[0]?.sha1]);
  assert.deepEqual(bench.trust.recall(uuidOf(1))?.files, two.files);
});

test('with another upstream first, the remembered still wins, and who agrees with it owns the image', async (t) => {
  const store = new Map<string, unknown>();
  const before = await trustBench(t, { store });
  await before.refresh([list('up0', A)]);
  await before.trust.close();
  const after = await trustBench(t, { store, upstreams: ['up1', 'up0'] });
  const shown = (await after.refresh([list('up1', B), list('up0', A)])).get(uuidOf(1));
  assert.deepEqual([shown?.manifest, shown?.isRemembered], [A, false]);
  assert.deepEqual(
    after.trust.conflicts().map(({ contradictedBy }) => contradictedBy.map(({ upstream }) => upstream)),
    [['up1']],
  );
});

test('over a restart the remembered manifest comes from disk, byte for byte, and the conflict is known offline', async (t) => {
  const store = new Map<string, unknown>();
  const before = await contradicted(await trustBench(t, { store }));
  const conflicts = before.trust.conflicts();
  await before.trust.close();
  const after = await trustBench(t, { store });
  assert.deepEqual(after.trust.conflicts(), conflicts);
  assert.deepEqual(conflicts[0]?.contradictedBy[0]?.since, '2026-01-01T00:01:00.000Z');
  const shown = (await after.refresh([{ ...list('up0', B), isFresh: false }])).get(uuidOf(1));
  assert.equal(JSON.stringify(shown?.manifest.json), JSON.stringify(A.json));
  assert.equal(after.log.linesOf(/disagrees/).length, 0, 'it was said before');
});

test('after a restart a list that contradicts finds the remembered manifest on disk, though no list had it meanwhile', async (t) => {
  const store = new Map<string, unknown>();
  const before = await trustBench(t, { store });
  await before.refresh([list('up0', A)]);
  await before.refresh([list('up0')]);
  await before.trust.close();
  const after = await trustBench(t, { store });
  assert.equal(after.trust.recall(uuidOf(1))?.manifest, undefined, 'a start reads facts only');
  const shown = (await after.refresh([list('up0', B)])).get(uuidOf(1));
  assert.deepEqual([shown?.manifest.json, shown?.isRemembered], [A.json, true]);
});

test('a remembered manifest that cannot be read is neither forgotten nor replaced', async (t) => {
  const store = new Map<string, unknown>();
  const before = await trustBench(t, { store });
  await before.refresh([list('up0', A)]);
  await before.trust.close();
  for (const key of store.keys()) if (key.includes('trust-manifest')) store.delete(key);
  const after = await trustBench(t, { store });
  assert.equal((await after.refresh([list('up0', B)])).size, 0);
  assert.equal(after.trust.conflictCount, 1);
  await assert.rejects(after.trust.judge({ manifest: B, upstream: 'up0' }), {
    code: 'TrustConflict',
    message: new RegExp(`imgapi-mirror accept ${uuidOf(1)}`),
  });
});

test('without the records, what is kept of cached images holds their memory and their conflicts', async (t) => {
  const kept = fakeKept();
  kept.add(A, 'up0');
  const before = await contradicted(await trustBench(t, { kept }));
  await before.trust.close();
  assert.equal(kept.byUuid.get(uuidOf(1))?.trust?.contradictions?.[0]?.upstream, 'up0');
  const after = await trustBench(t, { kept });
  assert.deepEqual(after.trust.conflicts(), before.trust.conflicts());
  assert.deepEqual((await after.refresh([list('up0', B)])).get(uuidOf(1))?.manifest.json, A.json);
});

test('a look-up is judged like a list, and every confirmed absence ends what a look-up said', async (t) => {
  const { trust, log } = await trustBench(t);
  const first = await trust.judge({ manifest: A, upstream: 'up1' });
  assert.deepEqual([first.manifest, first.isRemembered], [A, undefined]);
  const other = await trust.judge({ manifest: B, upstream: 'up0' });
  assert.deepEqual([other.manifest, other.isRemembered, other.upstreams], [A, true, ['up1']]);
  assert.deepEqual(
    (await trust.judge({ manifest: B, upstream: 'up1' })).upstreams,
    [],
    'its own upstream is not asked',
  );
  assert.equal(log.linesOf(/disagrees/).length, 2);
  trust.noteAbsent(uuidOf(1));
  assert.equal(trust.conflictCount, 0);
});

test('what was said some time ago is no news: neither a conflict nor a memory', async (t) => {
  const { trust } = await trustBench(t);
  await trust.judge({ manifest: A, upstream: 'up0' });
  const old = await trust.judgeOld({ manifest: B, upstream: 'up0' });
  assert.deepEqual([old.manifest, trust.conflictCount], [A, 0]);
});

test('accepting takes what the first in precedence says, tells who shows the image, and is there after a restart', async (t) => {
  const store = new Map<string, unknown>();
  const bench = await trustBench(t, { store, upstreams: ['up1', 'up0'] });
  await bench.refresh([list('up0', A)]);
  await bench.refresh([list('up1', said(1, ['c'])), list('up0', B)]);
  const change = await bench.trust.accept(uuidOf(1));
  assert.deepEqual(change, {
    uuid: uuidOf(1),
    from: { upstream: 'up0', sha1: sha1Of('a'), size: 1000, files: A.files },
    to: { upstream: 'up1', sha1: sha1Of('c'), size: 1000, files: said(1, ['c']).files },
  });
  assert.deepEqual(bench.accepted, [uuidOf(1)]);
  const after = await trustBench(t, { store });
  const shown = (await after.refresh([list('up1', said(1, ['c']))])).get(uuidOf(1));
  assert.deepEqual([shown?.manifest.files[0]?.sha1, shown?.isRemembered], [sha1Of('c'), false]);
});

test('an acceptance replaces what is kept of the cached image, its icon too', async (t) => {
  const kept = fakeKept();
  kept.add(A, 'up0');
  const bench = await contradicted(await trustBench(t, { kept }));
  bench.clock += 60_000;
  await bench.trust.accept(uuidOf(1));
  assert.deepEqual(kept.byUuid.get(uuidOf(1)), {
    upstream: 'up0',
    fetchedAt: '2026-01-01T00:02:00.000Z',
    manifest: B.json,
    trust: { firstSeenAt: '2026-01-01T00:02:00.000Z' },
  });
});

test('nothing is accepted of an image that was never seen, or that nobody contradicts', async (t) => {
  const bench = await trustBench(t);
  await assert.rejects(bench.trust.accept(uuidOf(1)), { code: 'ResourceNotFound' });
  await bench.refresh([list('up0', A)]);
  await assert.rejects(bench.trust.accept(uuidOf(1)), { code: 'NothingSelected' });
});

test('a list from before the restart takes nothing back', async (t) => {
  const bench = await contradicted(await trustBench(t));
  await bench.refresh([{ ...list('up0', A), isFresh: false }]);
  assert.equal(bench.trust.conflictCount, 1);
  await bench.refresh([list('up0')]);
  assert.equal(bench.trust.conflictCount, 0, 'a fresh one without the image does');
});

test('a conflict of one view is not ended by another view that lacks the image', async (t) => {
  const bench = await trustBench(t);
  await bench.refresh([list('up0', A)], 'dev');
  await bench.refresh([list('up0', B)], 'dev');
  await bench.refresh([list('up0')], '');
  assert.equal(bench.trust.conflictCount, 1);
});

test('conflicts with an upstream that is no longer configured are over', async (t) => {
  const store = new Map<string, unknown>();
  const before = await contradicted(await trustBench(t, { store }));
  await before.trust.close();
  assert.equal((await trustBench(t, { store, upstreams: ['other'] })).trust.conflictCount, 0);
});

test('equal manifests are in memory once, whoever lists them', async (t) => {
  const bench = await trustBench(t);
  await bench.refresh([list('up0', A)]);
  const again = said(1, ['a'], { description: 'first' });
  const [shared] = await bench.trust.prepare('up1', [again], false);
  assert.equal(shared, A);
});

test('memory is bounded: an image too many is served as its upstream says, and that is an error in the log', async (t) => {
  const bench = await trustBench(t, { maxImages: 1 });
  await bench.refresh([list('up0', A, said(2, ['x']))]);
  assert.equal(
    (await bench.refresh([list('up0', B, said(2, ['y']))])).get(uuidOf(2))?.manifest.files[0]?.sha1,
    sha1Of('y'),
  );
  assert.equal(bench.log.linesOf('error').length, 1);
});
