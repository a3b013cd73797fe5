import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { assertError, createAsk, namesOf, uuidsOf } from './ask.ts';

const day = (number: number): string => `2020-01-0${number}T00:00:00Z`;

function imageOf(name: string, at: number, uuid?: string): TestImage {
  return makeImage({ name, size: 900, publishedAt: day(at), ...(uuid === undefined ? {} : { uuid }) });
}

test('a marker is where the page starts, whatever became of its image', async (t) => {
  // By date they alternate between the upstreams; on the third day three of them tie.
  const a = [imageOf('a1', 1), imageOf('a2', 3, '55555555-0000-4000-8000-000000000000'), imageOf('a3', 5)] as const;
  const b = [
    imageOf('b1', 3, '11111111-0000-4000-8000-000000000000'),
    imageOf('b2', 3, 'ffffffff-0000-4000-8000-000000000000'),
    imageOf('b3', 7),
  ] as const;
  const inactive = makeImage({ name: 'inactive', state: 'disabled', publishedAt: day(4), size: 900 });
  await using one = await startImageServer({ images: [...a, inactive] });
  await using two = await startImageServer({ images: b });
  const mirror = await startMirror(t, { upstreams: [one.url, two.url] });
  const ask = createAsk(mirror);
  const names = ['a1', 'b1', 'a2', 'b2', 'a3', 'b3'];
  const page = async (query: string): Promise<string[]> => namesOf(await ask(`/images?${query}`));

  await t.test('order is by time, then by uuid', async () => {
    assert.deepEqual(await page(''), names);
  });

  await t.test('a uuid marker starts at its image, within a tie too', async () => {
    for (const [at, uuid] of uuidsOf(await ask('/images')).entries()) {
      assert.deepEqual(await page(`marker=${uuid}`), names.slice(at));
      assert.deepEqual(await page(`marker=${uuid}&limit=2`), names.slice(at, at + 2));
      assert.deepEqual(await page(`marker=${uuid}&limit=1000`), names.slice(at));
      assert.deepEqual(await page(`marker=${uuid}&sort=published_at.desc`), names.slice(0, at + 1).toReversed());
    }
  });

  await t.test('the last one gives itself alone, so that a client sees the end', async () => {
    assert.deepEqual(await page(`marker=${b[2].uuid}&limit=1000`), ['b3']);
  });

  await t.test('filters apply to what comes after the marker, not to the marker', async () => {
    assert.deepEqual(await page(`marker=${a[1].uuid}&name=~b`), ['b2', 'b3']);
    assert.deepEqual(await page(`marker=${a[1].uuid}&name=b3&limit=1`), ['b3']);
  });

  await t.test('a date marker starts at the first image not before it', async () => {
    assert.deepEqual(await page(`marker=${day(3)}`), names.slice(1));
    assert.deepEqual(await page('marker=2020-01-03T00:00:00.001Z'), names.slice(4));
    assert.deepEqual(await page('marker=2020-01-05'), names.slice(4));
    assert.deepEqual(await page('marker=2030-01-01T00:00:00Z'), []);
    assert.deepEqual(await page('marker=1999-12-31'), names);
    assert.deepEqual(await page(`marker=${encodeURIComponent('2020-01-03T01:00:00+01:00')}`), names.slice(1));
  });

  await t.test('an image that is in no list is looked up like a GET', async () => {
    two.forget();
    assert.deepEqual(await page(`marker=${inactive.uuid}`), ['a3', 'b3']);
    assert.ok(one.countOf('manifest') > 0);
    assert.ok(one.requests.every(({ url }) => !url.includes('marker')));
  });

  await t.test('an image that leaves the list between two pages still marks its place', async () => {
    one.images.add({ ...a[1], manifest: { ...a[1].manifest, state: 'disabled', disabled: true } });
    await mirror.app.catalog.refresh();
    assert.deepEqual(await page(''), ['a1', 'b1', 'b2', 'a3', 'b3']);
    assert.deepEqual(await page(`marker=${a[1].uuid}&limit=1000`), ['b2', 'a3', 'b3']);
  });

  await t.test('only a confirmed absence is 404', async () => {
    const absent = '99999999-0000-4000-8000-000000000000';
    const answer = await ask(`/images?marker=${absent}`);
    assertError(answer, { status: 404, code: 'ResourceNotFound', message: `image ${absent} not found` });
    two.behave = ({ route }) => (route === 'manifest' ? { status: 500 } : undefined);
    const unsure = await ask('/images?marker=88888888-0000-4000-8000-000000000000');
    assertError(unsure, { status: 503, code: 'ServiceUnavailableError', message: /up1.*500/ });
  });

  await t.test('junk is refused', async () => {
    const queries = ['junk', a[0].uuid.toUpperCase(), `${a[0].uuid}0`, '2020-13-45', `${a[0].uuid}&marker=2020-01-01`];
    for (const marker of queries) {
      assertError(await ask(`/images?marker=${marker}`), { status: 422, code: 'InvalidParameter', message: /marker/ });
    }
    assert.deepEqual((await page('marker=')).length, 5);
  });
});

test('pages of any size put together are the whole list, each image once', async (t) => {
  const images = Array.from({ length: 23 }, (_, at) =>
    makeImage({ name: `image-${at}`, size: 500, publishedAt: day(1 + Math.floor(at / 6)) }),
  );
  await using upstream = await startImageServer({ images });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const whole = uuidsOf(await ask('/images'));
  assert.equal(whole.length, 23);
  for (const limit of [2, 3, 7, 22, 23, 24]) {
    const seen = uuidsOf(await ask(`/images?limit=${limit}`));
    for (let pages = 0; pages < 30; pages += 1) {
      const next = uuidsOf(await ask(`/images?marker=${seen.at(-1)}&limit=${limit}`));
      assert.equal(next.shift(), seen.at(-1));
      if (next.length === 0) break;
      seen.push(...next);
    }
    assert.deepEqual(seen, whole, `pages of ${limit}`);
  }
});
