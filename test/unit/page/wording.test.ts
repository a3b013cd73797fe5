import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { howText, keyOf } from '../../../src/page/downloads.ts';
import * as server from '../../../src/page/wording.ts';

interface Words {
  readonly bytesText: (bytes: number) => string;
  readonly percentText: (ratio: number) => string;
  readonly countText: (count: number) => string;
  readonly counted: (count: number, one: string) => string;
  readonly agoText: (iso: string, nowMs: number) => string;
  readonly keyOf: typeof keyOf;
  readonly howText: typeof howText;
}

/** What browsers run, loaded as they do. */
async function browserWords(): Promise<Words> {
  const text = await readFile(new URL('../../../src/page/assets/words.js', import.meta.url));
  const words: unknown = await import(`data:text/javascript;base64,${text.toString('base64')}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test fails where it is not so
  return words as Words;
}

const SIZES = [0, 1, 1023, 1024, 1536, 102_349, 1_048_524, 1_048_576, 7.6 * 2 ** 30, 99.96 * 2 ** 40, 5e15, NaN];
const RATIOS = [0, 0.0001, 0.004, 0.5, 0.996, 0.99999, 1, NaN];

test('sizes have one digit after the point where it says something', () => {
  assert.deepEqual(SIZES.map(server.bytesText), [
    '0 B',
    '1 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '100 KiB',
    '1.0 MiB',
    '1.0 MiB',
    '7.6 GiB',
    '100 TiB',
    '4547 TiB',
    'unknown',
  ]);
  assert.equal(server.bytesText(null), 'unknown');
});

test('all and nothing are only what is all or nothing', () => {
  assert.deepEqual(RATIOS.map(server.percentText), ['0%', '1%', '1%', '50%', '99%', '99%', '100%', '–']);
});

test('the module in the browser writes them the same', async () => {
  const words = await browserWords();
  assert.deepEqual(SIZES.map(words.bytesText), SIZES.map(server.bytesText));
  assert.deepEqual(RATIOS.map(words.percentText), RATIOS.map(server.percentText));
  for (const count of [0, 1, 1234]) {
    assert.equal(words.countText(count), server.countText(count));
    assert.equal(words.counted(count, 'image'), server.counted(count, 'image'));
  }
  const now = Date.UTC(2026, 0, 2);
  for (const seconds of [-5, 0, 5, 59, 3599, 86_399, 86_400 * 40]) {
    const iso = new Date(now - seconds * 1000).toISOString();
    assert.equal(words.agoText(iso, now), />([^<]*)</.exec(String(server.ago(iso, now)))?.[1]);
  }
});

test('the module in the browser says of downloads the same', async () => {
  const words = await browserWords();
  const said = new Set<string>();
  for (const passedThrough of [false, true]) {
    for (const priority of ['demand', 'prefetch'] as const) {
      for (const followers of [0, 1, 1234]) {
        const download = { sha1: 'a'.repeat(40), passedThrough, priority, followers };
        assert.equal(words.keyOf(download), keyOf(download));
        assert.equal(words.howText(download), howText(download));
        said.add(keyOf(download)).add(howText(download));
      }
    }
  }
  // A file can be fetched and passed through at once.
  assert.equal(said.size, 2 + 3 * 2 + 1);
});

test('a moment is how long ago it was, with the time itself in the element', () => {
  const now = Date.UTC(2026, 0, 2);
  const ago = (seconds: number): string => String(server.ago(new Date(now - seconds * 1000).toISOString(), now));
  assert.match(ago(0), /<time datetime="2026-01-02T00:00:00.000Z" title="2026-01-02T00:00:00.000Z">just now<\/time>/);
  assert.match(ago(59), />59 s ago</);
  assert.match(ago(3599), />59 min ago</);
  assert.match(ago(86_399), />23 h ago</);
  assert.match(ago(86_400 * 40), />40 d ago</);
  assert.match(ago(-5), />just now</);
  assert.equal(String(server.ago(null, now)), 'never');
});

test('the beginning of a text ends with no half character, and says that there is more', () => {
  assert.equal(server.clipped('short', 5), 'short');
  assert.equal(server.clipped('a b c', 2), 'a …');
  assert.equal(server.clipped('ab😀cd', 3), 'ab …');
  assert.equal(server.clipped('ab😀cd', 4), 'ab😀 …');
});
