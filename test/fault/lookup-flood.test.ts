/** Issue 3, item 6: random uuids cost an upstream little, whoever asks for however many, and leave nothing behind. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { createAsk, fieldsOf, type Answer } from '../integration/ask.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { ownSeries } from '../unit/metrics/exposition.ts';

const FLOOD = 2_000;
const AT_ONCE = 20;

/** Files of the cache but the records, whose writing ahead makes and removes some. */
async function filesOf({ dir }: TestMirror): Promise<string[]> {
  const names = await readdir(dir, { recursive: true });
  return names.filter((name) => !name.includes('.sqlite')).toSorted();
}

async function seriesOf({ url }: TestMirror): Promise<string[]> {
  return ownSeries(await (await fetch(`${url}/metrics`)).text());
}

/** Asks for so many images nobody has; the answers' statuses. */
async function flood(ask: (path: string) => Promise<Answer>): Promise<number[]> {
  const statuses: number[] = [];
  async function worker(): Promise<void> {
    while (statuses.length < FLOOD) {
      const at = statuses.push(0) - 1;
      const tail = at % 3 === 0 ? '/file' : '';
      const { status, json } = await ask(`/images/${randomUUID()}${tail}`);
      statuses[at] = status;
      if (status === 503) assert.equal(fieldsOf(json)['code'], 'ServiceUnavailableError');
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return statuses;
}

test('2,000 random uuids are at most 400 questions; the rest is 503 at once, and known origins are found all the same', async (t) => {
  const origin = makeImage({ seed: 1, state: 'disabled', size: 2_000 });
  const older = makeImage({ seed: 2, state: 'disabled', size: 2_000 });
  const middle = makeImage({ seed: 3, state: 'disabled', size: 2_000, origin: older.uuid });
  const child = makeImage({ seed: 4, size: 2_000, origin: origin.uuid });
  const hidden = makeImage({ seed: 5, state: 'disabled', size: 2_000 });
  await using upstream = await startImageServer({ images: [origin, older, middle, child, hidden] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  // A looked-up image names its origin as well as a listed one does.
  assert.equal((await ask(`/images/${middle.uuid}`)).status, 200);
  // Written in the background, soon after the start.
  await until(async () => (await filesOf(mirror)).includes('channels.json'));
  const [files, series] = [await filesOf(mirror), await seriesOf(mirror)];
  upstream.forget();

  const startedAtMs = performance.now();
  const statuses = await flood(ask);
  // The budget of a burst, and of a second more than it took; 400 on any machine that answers within ten seconds.
  const seconds = (performance.now() - startedAtMs) / 1000;
  const calls = upstream.countOf('manifest');
  assert.ok(calls <= 200 + 20 * (seconds + 1), `${calls} calls in ${seconds} s`);
  if (seconds < 9) assert.ok(calls <= 400);
  const answered = statuses.filter((status) => status === 404).length;
  const refused = statuses.filter((status) => status === 503).length;
  assert.deepEqual([answered, answered + refused], [calls, FLOOD]);
  assert.equal(await mirror.metric('imgapi_mirror_lookups_refused_total{upstream="up0"}'), refused);

  assert.deepEqual(await filesOf(mirror), files);
  assert.deepEqual(await seriesOf(mirror), series);

  const uuids = [origin.uuid, older.uuid];
  for (const uuid of uuids) assert.equal((await ask(`/images/${uuid}`)).status, 200, 'outside the budget');
  assert.equal((await ask(`/images/${child.uuid}/file`)).status, 200);
  assert.equal((await ask('/ping')).status, 200);
});

test('the origin of a cached image is outside the budget after a restart too', async (t) => {
  const origin = makeImage({ seed: 6, state: 'disabled', size: 2_000 });
  const child = makeImage({ seed: 7, state: 'disabled', size: 2_000, origin: origin.uuid });
  await using upstream = await startImageServer({ images: [origin, child] });
  const before = await startMirror(t, { upstreams: [upstream.url] });
  assert.equal((await createAsk(before)(`/images/${child.uuid}/file`)).status, 200);
  await before.close();
  const after = await startMirror(t, { upstreams: [upstream.url], dir: before.dir });
  const ask = createAsk(after);
  await flood(ask);
  assert.equal((await ask(`/images/${origin.uuid}`)).status, 200);
});
