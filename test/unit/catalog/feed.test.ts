import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createFeed, type Feed } from '../../../src/catalog/feed.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type { ListAnswer } from '../../../src/upstream/upstream.ts';
import {
  catalogBench,
  catalogUpstream,
  down,
  imageOf,
  listOf,
  type CatalogBench,
  type CatalogUpstream,
} from './fake-catalog.ts';

const signal = new AbortController().signal;
const four = [1, 2, 3, 4].map((n) => imageOf(n));
const shrunken = (): ListAnswer => listOf(four.slice(0, 1));

interface FeedBench extends CatalogBench {
  readonly feed: Feed;
  readonly upstream: CatalogUpstream;
}

function feedBench(t: TestContext, options: { channel?: string; store?: Map<string, unknown> } = {}): FeedBench {
  const bench = catalogBench(t, options.store);
  const upstream = catalogUpstream('up0', options.channel === undefined ? {} : { channel: options.channel });
  const feed = createFeed({ ...bench, upstream, now: () => bench.clock });
  return Object.assign(bench, { feed, upstream });
}

function refuse(reason: 'status' | 'body', status?: number): never {
  throw unavailable('up0', reason, 'nothing of use', status === undefined ? {} : { status });
}

const uuidsIn = (feed: Feed, channel?: string): string[] | undefined =>
  feed.list(channel)?.manifests.map(({ uuid }) => uuid);

test('before anything was asked there is no list, no problem, and nothing was tried', (t) => {
  const { feed } = feedBench(t);
  assert.deepEqual(
    [feed.list(undefined), feed.problem(undefined), feed.hasTried(undefined)],
    [undefined, undefined, false],
  );
});

test('a list is current after its refresh, with the time it was confirmed', async (t) => {
  const { feed, upstream, clock } = feedBench(t);
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  assert.equal(feed.list(undefined)?.isStale, false);
  assert.equal(feed.list(undefined)?.fetchedAtMs, clock);
  assert.equal(feed.hasTried(undefined), true);
  const { images, problem, refreshes, dropped } = feed.state();
  assert.deepEqual([images, problem, refreshes, dropped], [4, undefined, { ok: 1, failed: 0, useless: 0, held: 0 }, 0]);
});

test('bad entries are dropped one by one, counted at every refresh and logged once', async (t) => {
  const { feed, upstream, log } = feedBench(t);
  const bad = [null, 'text', { uuid: 'junk' }, { ...imageOf(9).json, published_at: 7 }];
  upstream.onList = () => ({ kind: 'list', images: [...four.map(({ json }) => json), ...bad], validators: {} });
  await feed.refresh(undefined, signal);
  await feed.refresh(undefined, signal);
  assert.deepEqual(
    uuidsIn(feed),
    four.map(({ uuid }) => uuid),
  );
  assert.equal(feed.state().dropped, 4);
  assert.equal(log.linesOf(/bad list entry/).length, 4);
});

test('a refresh that failed keeps the last good list and calls it stale; the next good one makes it current', async (t) => {
  const bench = feedBench(t);
  const { feed, upstream, log } = bench;
  const fetchedAt = bench.clock;
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  bench.clock += 60_000;
  upstream.onList = () => down('up0');
  await feed.refresh(undefined, signal);
  await feed.refresh(undefined, signal);
  assert.equal(uuidsIn(feed)?.length, 4);
  assert.deepEqual([feed.list(undefined)?.isStale, feed.list(undefined)?.fetchedAtMs], [true, fetchedAt]);
  assert.equal(feed.problem(undefined), 'ECONNREFUSED', 'without the name: it stands beside it');
  assert.equal(log.linesOf(/refresh failed/).length, 1, 'the same problem is said once');
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  assert.deepEqual([feed.list(undefined)?.isStale, feed.problem(undefined)], [false, undefined]);
  assert.deepEqual(feed.state().refreshes, { ok: 2, failed: 2, useless: 0, held: 0 });
});

for (const [what, onList, result, hasAnswered] of [
  ['nobody answers', () => down('up0'), 'failed', false],
  ['it answers 503', () => refuse('status', 503), 'failed', false],
  ['it answers 404', () => refuse('status', 404), 'useless', true],
  ['what it answers is no JSON', () => refuse('body'), 'useless', true],
  ['its list is empty', () => listOf([]), 'held', true],
] as const) {
  test(`whether an upstream has answered is another question than whether its list was taken: ${what}`, async (t) => {
    const { feed, upstream } = feedBench(t);
    assert.equal(feed.state().hasAnswered, undefined);
    upstream.onList = () => listOf(four);
    await feed.refresh(undefined, signal);
    assert.equal(feed.state().hasAnswered, true);
    upstream.onList = onList;
    await feed.refresh(undefined, signal);
    assert.equal(feed.state().hasAnswered, hasAnswered);
    assert.deepEqual(feed.state().refreshes, { ok: 1, failed: 0, useless: 0, held: 0, [result]: 1 });
    assert.equal(uuidsIn(feed)?.length, 4);
  });
}

test('an unchanged list is asked for with its validators, and is current again', async (t) => {
  const bench = feedBench(t);
  const { feed, upstream } = bench;
  upstream.onList = ({ validators }) => (validators.etag === '"a"' ? { kind: 'unchanged' } : listOf(four, '"a"'));
  await feed.refresh(undefined, signal);
  const before = feed.list(undefined)?.manifests;
  bench.clock += 300_000;
  await feed.refresh(undefined, signal);
  assert.deepEqual(
    upstream.lists.map(({ validators }) => validators),
    [{}, { etag: '"a"' }],
  );
  assert.equal(feed.list(undefined)?.fetchedAtMs, bench.clock);
  assert.equal(feed.list(undefined)?.manifests, before);
});

test('a list that shrank below half is held back as stale until it has come three times in a row', async (t) => {
  const { feed, upstream } = feedBench(t);
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  upstream.onList = () => listOf(four.slice(0, 1));
  for (const time of [1, 2]) {
    await feed.refresh(undefined, signal);
    assert.equal(uuidsIn(feed)?.length, 4, `time ${time}`);
    assert.equal(feed.list(undefined)?.isStale, true);
    assert.match(feed.problem(undefined) ?? '', /shrank from 4 to 1/);
  }
  await feed.refresh(undefined, signal);
  assert.equal(uuidsIn(feed)?.length, 1);
  assert.deepEqual(feed.state().refreshes, { ok: 2, failed: 0, useless: 0, held: 2 });
});

test('a failed refresh in between ends the row of shrunken lists', async (t) => {
  const { feed, upstream } = feedBench(t);
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  for (const answer of [shrunken, shrunken, () => down('up0'), shrunken, shrunken]) {
    upstream.onList = answer;
    await feed.refresh(undefined, signal);
  }
  assert.equal(uuidsIn(feed)?.length, 4);
});

test('"unchanged" in between ends the row too: the full list was there again', async (t) => {
  const { feed, upstream } = feedBench(t);
  upstream.onList = () => listOf(four, '"full"');
  await feed.refresh(undefined, signal);
  for (const answer of [shrunken, shrunken, () => ({ kind: 'unchanged' }) as const, shrunken]) {
    upstream.onList = answer;
    await feed.refresh(undefined, signal);
  }
  assert.equal(uuidsIn(feed)?.length, 4);
});

test("a list of bad entries only is an empty list: it takes nobody's place", async (t) => {
  const { feed, upstream } = feedBench(t);
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  upstream.onList = () => ({ kind: 'list', images: Array.from({ length: 100 }, () => ({})), validators: {} });
  for (let times = 0; times < 5; times++) await feed.refresh(undefined, signal);
  assert.equal(uuidsIn(feed)?.length, 4);
});

test('two who refresh at once share one request', async (t) => {
  const { feed, upstream } = feedBench(t);
  await Promise.all([feed.refresh(undefined, signal), feed.refresh(undefined, signal)]);
  assert.equal(upstream.lists.length, 1);
});

test('a refresh that is given up rejects nobody and counts as no failure', async (t) => {
  const { feed, upstream } = feedBench(t);
  const abort = new AbortController();
  upstream.onList = () => {
    abort.abort();
    return down('up0');
  };
  await feed.refresh(undefined, abort.signal);
  assert.deepEqual(feed.state().refreshes, { ok: 0, failed: 0, useless: 0, held: 0 });
});

test('after a restart the saved list is there, stale, with the time it was confirmed and its validators', async (t) => {
  const before = feedBench(t);
  before.upstream.onList = () => listOf(four, '"a"');
  await before.feed.refresh(undefined, signal);
  const after = feedBench(t, { store: before.store });
  after.clock += 3_600_000;
  await after.feed.load(async () => ({ images: [], fetchedAtMs: 0 }));
  assert.deepEqual(
    uuidsIn(after.feed),
    four.map(({ uuid }) => uuid),
  );
  assert.deepEqual(
    [after.feed.list(undefined)?.isStale, after.feed.list(undefined)?.fetchedAtMs],
    [true, before.clock],
  );
  after.upstream.onList = () => ({ kind: 'unchanged' });
  await after.feed.refresh(undefined, signal);
  assert.deepEqual(after.upstream.lists[0]?.validators, { etag: '"a"' });
  assert.equal(after.feed.list(undefined)?.isStale, false);
});

test('without a saved list what is kept on disk is the list', async (t) => {
  const { feed } = feedBench(t);
  await feed.load(async () => ({ images: [imageOf(1).json, 'junk'], fetchedAtMs: 0 }));
  assert.deepEqual(uuidsIn(feed), [imageOf(1).uuid]);
  assert.equal(feed.list(undefined)?.isStale, true);
});

test('nothing saved and nothing kept is no list, not an empty one', async (t) => {
  const { feed } = feedBench(t);
  await feed.load(async () => ({ images: [], fetchedAtMs: 0 }));
  assert.equal(feed.list(undefined), undefined);
});

test('what was loaded late does not take the place of what was fetched', async (t) => {
  const { feed, upstream } = feedBench(t);
  upstream.onList = () => listOf(four);
  await feed.refresh(undefined, signal);
  await feed.load(async () => ({ images: [imageOf(9).json], fetchedAtMs: 0 }));
  assert.equal(uuidsIn(feed)?.length, 4);
  assert.equal(feed.list(undefined)?.isStale, false);
});
