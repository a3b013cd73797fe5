import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ImageBlobs } from '../../../src/blobs/eviction-ranking.ts';
import type { Resolution, ResolveRequest } from '../../../src/catalog/resolve.ts';
import type { ByteSource } from '../../../src/downloads/byte-source.ts';
import type { SourceFeed } from '../../../src/downloads/file-sources.ts';
import type { ObtainedBlob } from '../../../src/downloads/registry.ts';
import type { WantedBlob } from '../../../src/downloads/wanted.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { sha1Of, type Sha1Hex } from '../../../src/imgapi/ids.ts';
import { createRefetcher, type RefetchEnd } from '../../../src/operations/refetch.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { filesOf, manifestOf, uuidOf } from '../../support/manifest-of.ts';
import { until } from '../../support/wait-for.ts';
import { createFakeUpstream } from '../downloads/fake-upstream.ts';

const MINUTE = 60_000;
const manifests = [1, 2].map((n) => manifestOf({ uuid: uuidOf(n), files: filesOf(`file ${n}`) }));
const images: ImageBlobs[] = manifests.map(({ uuid, files }, n) => ({
  uuid,
  origin: undefined,
  files: files.map(({ sha1 }) => sha1),
  icon: n === 0 ? sha1Of(Buffer.from('icon')) : undefined,
}));
const [first, second] = images.flatMap(({ files }) => files);
assert(first !== undefined && second !== undefined);

interface Obtaining {
  readonly wanted: WantedBlob;
  readonly stored: PromiseWithResolvers<boolean>;
  readonly headers: PromiseWithResolvers<{ readonly contentMd5: undefined }>;
  isClosed: boolean;
}

function bench(t: TestContext, resolve?: (request: ResolveRequest) => Promise<Resolution>) {
  const obtained: Obtaining[] = [];
  const ends: RefetchEnd[] = [];
  const stored = new Set<Sha1Hex>();
  const slept: number[] = [];
  const clock = { nowMs: 0 };
  const log = createCaptureLog();
  const feed: SourceFeed = {
    upstream: createFakeUpstream('up0'),
    channelFor: () => ({ kind: 'ask', channel: undefined }),
  };
  const refetcher = createRefetcher({
    images: async () => images,
    isStored: (sha1) => stored.has(sha1),
    resolver: {
      resolve:
        resolve ??
        (async ({ uuid }) => {
          const manifest = manifests.find((candidate) => candidate.uuid === uuid);
          assert(manifest);
          return {
            kind: 'found',
            entry: { manifest, upstream: 'up0', upstreams: ['up0'] },
            cache: 'HIT',
            fetchedAtMs: 0,
          };
        }),
    },
    catalog: { feeds: () => [feed], peek: () => undefined },
    downloads: {
      async obtain(wanted) {
        const each: Obtaining = {
          wanted,
          stored: Promise.withResolvers(),
          headers: Promise.withResolvers(),
          isClosed: false,
        };
        obtained.push(each);
        const source: ByteSource = {
          size: wanted.size,
          endAt() {},
          ready: () => undefined,
          read: async () => Promise.reject(new Error('nobody reads what is only to be stored')),
          close: async () => void (each.isClosed = true),
        };
        const blob: ObtainedBlob = {
          cache: 'MISS',
          source,
          available: 0,
          headers: each.headers.promise,
          stored: each.stored.promise,
        };
        return blob;
      },
    },
    onEnd: (end) => void ends.push(end),
    log,
    monotonicNow: () => clock.nowMs,
    async sleep(ms, signal) {
      await turn();
      signal.throwIfAborted();
      slept.push(ms);
      clock.nowMs += ms;
    },
  });
  t.after(async () => refetcher.close());
  const end = (n: number, isStored: boolean): void => {
    obtained[n]?.headers.resolve({ contentMd5: undefined });
    obtained[n]?.stored.resolve(isStored);
  };
  return { refetcher, obtained, ends, stored, slept, log, end };
}

test('fetches by the image that has the blob, after whatever clients want, one at a time', async (t) => {
  const { refetcher, obtained, end, log } = bench(t);
  const one = refetcher.refetch(first);
  const other = refetcher.refetch(second);
  assert.equal(refetcher.refetch(second), other);
  await until(() => obtained.length === 1);
  for (let n = 0; n < 10; n += 1) await turn();
  assert.equal(obtained.length, 1);
  const wanted = obtained[0]?.wanted;
  assert.equal(wanted?.sha1, first);
  assert.equal(wanted.size, 1000);
  assert.equal(wanted.priority, 'prefetch');
  assert.deepEqual(
    wanted.sources.map(({ uuid, index }) => ({ uuid, index })),
    [{ uuid: uuidOf(1), index: 0 }],
  );
  assert.equal(obtained[0]?.isClosed, false);
  end(0, true);
  assert.deepEqual(await one, { result: 'stored', reason: undefined });
  assert.equal(obtained[0]?.isClosed, true);
  await until(() => obtained.length === 2);
  end(1, true);
  assert.equal((await other).result, 'stored');
  assert.equal(log.linesOf(/fetched anew/).length, 2);
});

test('what no source has is tried again later and later, and not for ever', async (t) => {
  const { refetcher, obtained, ends, slept, log } = bench(t);
  const ended = refetcher.refetch(first);
  for (let n = 0; n < 6; n += 1) {
    await until(() => obtained.length === n + 1);
    obtained[n]?.stored.resolve(false);
    obtained[n]?.headers.reject(new MirrorError('DownloadFailed', 'nobody has it'));
  }
  assert.deepEqual(await ended, { result: 'failed', reason: 'nobody has it' });
  await until(() => ends.length === 6);
  assert.deepEqual(
    slept,
    [1, 10, 60, 360, 1440].map((minutes) => minutes * MINUTE),
  );
  const lines = log.linesOf(/could not be fetched anew/);
  assert.equal(lines.length, 6);
  assert.equal(lines[0]?.fields['againInMs'], MINUTE);
  assert.equal(lines[5]?.fields['againInMs'], undefined);
  // Given up, so that it may come again.
  const again = refetcher.refetch(first);
  await until(() => obtained.length === 7);
  obtained[6]?.headers.resolve({ contentMd5: undefined });
  obtained[6]?.stored.resolve(true);
  assert.equal((await again).result, 'stored');
});

test('one that a client has fetched meanwhile, an icon, and what no image has, are not asked for', async (t) => {
  const { refetcher, obtained, stored } = bench(t);
  stored.add(first);
  assert.equal((await refetcher.refetch(first)).result, 'stored');
  assert.deepEqual(await refetcher.refetch(sha1Of(Buffer.from('icon'))), { result: 'left', reason: 'it is an icon' });
  const stranger = await refetcher.refetch(sha1Of(Buffer.from('stranger')));
  assert.deepEqual(stranger, { result: 'left', reason: 'no kept image has it' });
  assert.deepEqual(obtained, []);
});

test('an image of another channel than the default one is found there', async (t) => {
  const asked: (string | undefined)[] = [];
  const { refetcher, obtained, end } = bench(t, async ({ uuid, channel }) => {
    asked.push(channel);
    if (channel === undefined) return { kind: 'absent' };
    const manifest = manifests.find((candidate) => candidate.uuid === uuid);
    assert(manifest);
    return { kind: 'found', entry: { manifest, upstream: 'up0', upstreams: ['up0'] }, cache: 'HIT', fetchedAtMs: 0 };
  });
  const ended = refetcher.refetch(first);
  await until(() => obtained.length === 1);
  assert.deepEqual(asked, [undefined, '*']);
  end(0, true);
  assert.equal((await ended).result, 'stored');
});

test('closing waits for nobody, and tells who waits', async (t) => {
  const { refetcher, obtained, log } = bench(t);
  const [one, other] = [refetcher.refetch(first), refetcher.refetch(second)];
  await until(() => obtained.length === 1);
  await refetcher.close();
  const left = { result: 'left', reason: 'the mirror is shutting down' };
  assert.deepEqual([await one, await other, await refetcher.refetch(first)], [left, left, left]);
  assert.deepEqual(log.lines, []);
  assert.equal(obtained.length, 1);
  obtained[0]?.headers.reject(new MirrorError('ShuttingDown', 'closing'));
  obtained[0]?.stored.resolve(false);
  await until(() => obtained[0]?.isClosed);
});
