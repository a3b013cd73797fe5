import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { KnownImage } from '../../../src/catalog/known-images.ts';
import type { Downloads } from '../../../src/downloads/registry.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { planPrefetch } from '../../../src/prefetch/plan.ts';
import { runPrefetch, type PrefetchedImage } from '../../../src/prefetch/runner.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { sha1Of } from '../../support/manifest-of.ts';
import { knownImage } from './known-image.ts';

/** Downloads that end when the test says so. */
function bench(images: readonly KnownImage[], concurrency: number) {
  const asked: string[] = [];
  const closed: string[] = [];
  const waiting = new Map<string, PromiseWithResolvers<boolean>>();
  const abort = new AbortController();
  const downloads: Pick<Downloads, 'obtain' | 'progressOf' | 'running'> = {
    running: [],
    progressOf: () => 10,
    async obtain({ sha1, priority }) {
      assert.equal(priority, 'prefetch');
      asked.push(sha1);
      const stored = Promise.withResolvers<boolean>();
      waiting.set(sha1, stored);
      // As the registry's it never rejects; the reason comes by the source.
      const ready = async (_position: number, signal: AbortSignal): Promise<void> => {
        signal.addEventListener('abort', () => stored.resolve(false));
        if (!(await stored.promise)) throw new MirrorError('DownloadFailed', 'no luck');
      };
      const source = {
        size: 1000,
        endAt() {},
        ready,
        read: async () => 0,
        close: async () => void closed.push(sha1),
      };
      const headers = Promise.resolve({ contentMd5: undefined });
      return { cache: 'MISS', source, available: 0, headers, stored: stored.promise };
    },
  };
  const ends: PrefetchedImage[] = [];
  const totals: number[] = [];
  const served: string[] = [];
  const done = runPrefetch(
    planPrefetch(images, () => false),
    {
      downloads,
      sourcesOf: () => [],
      keeper: { onServed: ({ manifest }) => void served.push(manifest.uuid) },
      log: createCaptureLog(),
    },
    { concurrency, progressMs: 5 },
    abort.signal,
    { onFile() {}, onImage: (end) => ends.push(end), onTotal: (received) => totals.push(received) },
  );
  done.catch(() => {});
  const settle = async (content: string, isStored = true): Promise<void> => {
    waiting.get(sha1Of(content))?.resolve(isStored);
    await turn();
    await turn();
  };
  return { asked, closed, ends, totals, served, done, settle, abort };
}

function sha1s(...contents: readonly string[]): readonly string[] {
  return contents.map(sha1Of);
}

test('so many files run at one time, and no more', async () => {
  const { asked, closed, done, settle } = bench(
    [1, 2, 3].map((n) => knownImage(n, [`${n}`])),
    2,
  );
  await turn();
  assert.deepEqual(asked, sha1s('1', '2'));
  await settle('2');
  assert.deepEqual(asked, sha1s('1', '2', '3'));
  await settle('1');
  await settle('3');
  assert.equal((await done).length, 3);
  assert.deepEqual(closed.toSorted(), asked.toSorted());
});

test('an image waits for its origin, and others go ahead meanwhile', async () => {
  const images = [knownImage(1, ['origin']), knownImage(2, ['child'], 1), knownImage(3, ['other'])];
  const { asked, done, settle } = bench(images, 4);
  await turn();
  assert.deepEqual(asked, sha1s('origin', 'other'));
  await settle('origin');
  assert.deepEqual(asked, sha1s('origin', 'other', 'child'));
  await settle('child');
  await settle('other');
  await done;
});

test('an image whose file failed has failed, also where another one was to bring that file', async () => {
  const images = [knownImage(1, ['shared']), knownImage(2, ['shared', 'own']), knownImage(3, ['fine'])];
  const { asked, ends, totals, done, settle } = bench(images, 1);
  await turn();
  await settle('shared', false);
  await settle('own');
  await settle('fine');
  await done;
  assert.deepEqual(
    ends.map(({ result, reason }) => [result, reason]),
    [
      ['failed', 'no luck'],
      ['failed', 'no luck'],
      ['fetched', undefined],
    ],
  );
  assert.equal(asked.length, 3);
  assert.equal(totals.at(-1), 2000);
});

test('an abort lets go of what runs, begins nothing more, and passes its reason on', async () => {
  const { asked, closed, done, abort } = bench(
    [1, 2].map((n) => knownImage(n, [`${n}`])),
    1,
  );
  await turn();
  abort.abort(new Error('its hours are over'));
  await assert.rejects(done, { message: 'its hours are over' });
  assert.deepEqual([asked, closed], [sha1s('1'), sha1s('1')]);
});
