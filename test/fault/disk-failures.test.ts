/** A thousand downloads that fail, each in its own way, leave nothing behind that grows. */
import assert from 'node:assert/strict';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';
import { diskUse, inTurns } from './disk-use.ts';

const MIB = 1024 * 1024;

async function descriptors(): Promise<number> {
  return (await readdir('/proc/self/fd')).length;
}

test('1,000 failed downloads leak no descriptor, and partial/ and quarantine/ stay within their bounds', async (t) => {
  // 300 blobs, asked for again and again: wrong bytes, an absence, an error after the first half.
  const images = Array.from({ length: 300 }, (_, n) => makeImage({ name: `image-${n}`, size: 70_000 + n }));
  await using upstream = await startImageServer({ images });
  // Room for more than the hundred quarantined files there may be, beside the records.
  const maxBytes = 24 * MIB;
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: { maxBytes, keepPartials: 60_000 } });
  upstream.behave = ({ route, uuid }) => {
    if (route !== 'file') return undefined;
    const n = images.findIndex((image) => image.uuid === uuid);
    // Few of the last kind: they are tried three times, with pauses.
    const kind = n % 20 === 7 ? 2 : n % 2;
    if (kind === 0) return { corruptAtByte: 5 };
    return kind === 1 ? { status: 404 } : { contentLength: 5 };
  };
  const ask = async (n: number): Promise<void> => {
    const image = images[n % images.length];
    const answer = await rawRequest({ port: mirror.port, path: `/images/${image?.uuid ?? ''}/file` });
    assert.ok(answer.status !== 200 || !answer.endedCleanly, `request ${n} must not end well`);
  };
  const numbers = Array.from({ length: 1_000 }, (_, n) => n);
  await inTurns(numbers.slice(0, 60), 20, ask);
  const ended = async (): Promise<boolean> => (await mirror.metric('imgapi_mirror_downloads_running')) === 0;
  await until(ended);
  const before = await descriptors();
  await inTurns(numbers, 20, ask);
  await until(ended);
  // Connections to and from the mirror that are kept alive come and go: a leak would be a thousand.
  await until(async () => (await descriptors()) <= before + 50, { what: 'no more descriptors than before' });

  assert.ok((await mirror.metric('imgapi_mirror_downloads_total{result="mismatch"}')) > 100);
  assert.ok((await diskUse(mirror.dir)) <= maxBytes);
  await until(async () => (await mirror.metric('imgapi_mirror_quarantined_files')) <= 100);
  assert.ok((await mirror.metric('imgapi_mirror_evictions_total{reason="surplus"}')) > 0);
  assert.ok((await readdir(join(mirror.dir, 'partial')).catch(() => [])).length <= 2 * images.length);
  assert.equal(await mirror.metric('imgapi_mirror_cache_reserved_bytes'), 0);
});

test('unfinished and quarantined files of long ago are gone soon after a start', async (t) => {
  const wrong = makeImage({ name: 'wrong', size: 200_000 });
  const cut = makeImage({ name: 'cut', size: 300_000 });
  await using upstream = await startImageServer({ images: [wrong, cut] });
  upstream.behave = ({ route, uuid }) => {
    if (route !== 'file') return undefined;
    return uuid === wrong.uuid ? { corruptAtByte: 5 } : { stallAfterBytes: 100_000 };
  };
  const first = await startMirror(t, { upstreams: [upstream.url], cache: { finishAbandoned: false } });
  await rawRequest({ port: first.port, path: `/images/${wrong.uuid}/file` });
  void rawRequest({ port: first.port, path: `/images/${cut.uuid}/file` }).catch(() => undefined);
  await until(() => first.app.downloads.progressOf(cut.files[0]!.sha1) === 100_000);
  await first.close();
  const places = ['partial', 'quarantine'].map((name) => join(first.dir, name));
  for (const place of places) {
    const names = await readdir(place);
    assert.ok(names.length > 0, place);
    for (const name of names) await utimes(join(place, name), new Date(0), new Date(0));
  }
  const second = await startMirror(t, { upstreams: [upstream.url], dir: first.dir });
  await until(async () => (await second.metric('imgapi_mirror_evictions_total{reason="age"}')) === 2);
  for (const place of places) assert.deepEqual(await readdir(place), []);
  // A scrape that comes while the disk is busy shows what the last one found.
  await until(async () => (await second.metric('imgapi_mirror_partial_bytes')) === 0);
  await until(async () => (await second.metric('imgapi_mirror_quarantined_files')) === 0);
  await until(async () => (await second.metric('imgapi_mirror_eviction_last_run_timestamp_seconds')) > 0);
});
