import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createFeed, type Feed } from '../../../src/catalog/feed.ts';
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
const CHANNELS = [{ name: 'dev' }, { name: 'release', default: true }] as const;

interface FeedBench extends CatalogBench {
  readonly feed: Feed;
  readonly upstream: CatalogUpstream;
}

function feedBench(t: TestContext, options: { channel?: string; store?: Map<string, unknown> } = {}): FeedBench {
  const bench = catalogBench(t, options.store);
  const upstream = catalogUpstream('up0', options.channel === undefined ? {} : { channel: options.channel });
  upstream.onChannels = () => CHANNELS;
  const feed = createFeed({ ...bench, upstream, now: () => bench.clock });
  return Object.assign(bench, { feed, upstream });
}

test('an upstream without channels is asked for its default whatever the client names: its images are in every channel', async (t) => {
  const { feed, upstream } = feedBench(t);
  upstream.onChannels = () => undefined;
  await feed.refreshChannels(signal);
  for (const channel of [undefined, 'dev', '*']) {
    assert.deepEqual(feed.channelFor(channel), { kind: 'ask', channel: undefined });
  }
});

test('of an upstream with channels the named one is asked for, and one it has not is an empty list', async (t) => {
  const { feed, upstream } = feedBench(t);
  await feed.refreshChannels(signal);
  assert.deepEqual(feed.channelFor('dev'), { kind: 'ask', channel: 'dev' });
  assert.deepEqual(feed.channelFor('*'), { kind: 'ask', channel: '*' });
  assert.deepEqual(feed.channelFor(undefined), { kind: 'ask', channel: undefined });
  assert.deepEqual(feed.channelFor('nope'), { kind: 'absent' });
  assert.deepEqual(feed.list('nope')?.manifests, []);
  assert.equal(feed.hasTried('nope'), true);
  await feed.refresh('nope', signal);
  assert.equal(upstream.lists.length, 0);
});

test('the configured channel is what a client that names none gets', async (t) => {
  const { feed, upstream } = feedBench(t, { channel: 'dev' });
  await feed.refreshChannels(signal);
  await feed.refresh(undefined, signal);
  assert.equal(upstream.lists[0]?.channel, 'dev');
  assert.deepEqual(feed.channelFor('release'), { kind: 'ask', channel: 'release' });
});

test('each channel has a list of its own, and the client that names the configured one shares it', async (t) => {
  const { feed, upstream } = feedBench(t, { channel: 'dev' });
  upstream.onList = ({ channel }) => listOf([imageOf(channel === 'dev' ? 1 : 2)]);
  await feed.refreshChannels(signal);
  await feed.refresh(undefined, signal);
  await feed.refresh('release', signal);
  const firstOf = (channel: string | undefined): string | undefined => feed.list(channel)?.manifests[0]?.uuid;
  assert.deepEqual(
    [firstOf(undefined), firstOf('dev'), firstOf('release')],
    [imageOf(1).uuid, imageOf(1).uuid, imageOf(2).uuid],
  );
});

test('channels that cannot be asked leave those that were known', async (t) => {
  const { feed, upstream } = feedBench(t);
  await feed.refreshChannels(signal);
  upstream.onChannels = () => down('up0');
  await feed.refreshChannels(signal);
  assert.deepEqual(feed.channels, CHANNELS);
});

test('channels survive a restart', async (t) => {
  const before = feedBench(t);
  await before.feed.refreshChannels(signal);
  const after = feedBench(t, { store: before.store });
  await after.feed.load(async () => ({ images: [], fetchedAtMs: 0 }));
  assert.deepEqual(after.feed.channels, CHANNELS);
});

test("a channel's list survives a restart as the default one does", async (t) => {
  // It is saved at every refresh; offline a client that names its channel must not be worse off than one that names none.
  const before = feedBench(t);
  before.upstream.onList = () => listOf([imageOf(1)]);
  await before.feed.refreshChannels(signal);
  await before.feed.refresh('dev', signal);
  const after = feedBench(t, { store: before.store });
  after.upstream.onList = () => down('up0');
  await after.feed.load(async () => ({ images: [], fetchedAtMs: 0 }));
  await after.feed.refresh('dev', signal);
  assert.equal(after.feed.list('dev')?.manifests.length, 1);
  assert.equal(after.feed.list('dev')?.isStale, true);
});
