import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { assertError, createAsk, namesOf } from './ask.ts';

const UNKNOWN_BOGUS = {
  status: 422,
  code: 'ValidationFailed',
  message: 'unknown channel: bogus',
  errors: [{ field: 'channel', code: 'Invalid' }],
};

const image = (name: string, day: number, channels?: readonly string[]) =>
  makeImage({
    name,
    size: 900,
    icon: true,
    publishedAt: `2020-01-0${day}T00:00:00Z`,
    ...(channels === undefined ? {} : { channels }),
  });

const dev = image('dev', 1, ['dev']);
const both = image('both', 2, ['dev', 'release']);
const release = image('release', 3, ['release']);
const plain = image('plain', 4);
const CHANNELS = [
  { name: 'release', description: 'Tested', default: true },
  { name: 'dev', description: 'Everything' },
] as const;

test('an upstream with channels beside one without', async (t) => {
  await using channelled = await startImageServer({ images: [dev, both, release], channels: CHANNELS });
  await using other = await startImageServer({ images: [plain] });
  const mirror = await startMirror(t, { upstreams: [channelled.url, other.url] });
  const ask = createAsk(mirror);
  const list = async (query: string): Promise<string[]> => namesOf(await ask(`/images${query}`));

  await t.test('channels are listed as their upstream lists them', async () => {
    const answer = await ask('/channels');
    assert.deepEqual(answer.json, CHANNELS);
    assert.equal(answer.text, JSON.stringify(CHANNELS, null, 2));
    assert.equal(answer.headers['content-type'], 'application/json');
  });

  await t.test('each channel shows its own images and all of the upstream without channels', async () => {
    assert.deepEqual(await list(''), ['both', 'release', 'plain']);
    assert.deepEqual(await list('?channel='), ['both', 'release', 'plain']);
    assert.deepEqual(await list('?channel=release'), ['both', 'release', 'plain']);
    assert.deepEqual(await list('?channel=dev'), ['dev', 'both', 'plain']);
    assert.deepEqual(await list('?channel=*'), ['dev', 'both', 'release', 'plain']);
    assert.deepEqual(await list('?channel=dev&limit=1'), ['dev']);
    assert.deepEqual(await list('?channel=dev&name=~e'), ['dev']);
    assert.deepEqual(await list(`?channel=dev&marker=${both.uuid}`), ['both', 'plain']);
  });

  await t.test('an unknown channel is refused on every path, and goes to no upstream', async () => {
    for (const tail of ['', `/${both.uuid}`, `/${both.uuid}/file`, `/${both.uuid}/icon`, `/${plain.uuid}`]) {
      assertError(await ask(`/images${tail}?channel=bogus`), UNKNOWN_BOGUS);
    }
    for (const { requests } of [channelled, other]) assert.ok(requests.every(({ url }) => !url.includes('bogus')));
  });

  await t.test('an image is found in its channels, in * and nowhere else', async () => {
    const queries = ['', '?channel=release', '?channel=dev', '?channel=*'];
    const statuses = async (uuid: string, tail: string): Promise<number[]> =>
      Promise.all(queries.map(async (query) => (await ask(`/images/${uuid}${tail}${query}`)).status));
    for (const tail of ['', '/file', '/icon']) {
      assert.deepEqual(await statuses(both.uuid, tail), [200, 200, 200, 200], tail);
      assert.deepEqual(await statuses(release.uuid, tail), [200, 200, 404, 200], tail);
      assert.deepEqual(await statuses(dev.uuid, tail), [404, 404, 200, 200], tail);
      assert.deepEqual(await statuses(plain.uuid, tail), [200, 200, 200, 200], tail);
    }
  });

  await t.test('the wrong channel is 404 without a uuid in its message', async () => {
    const expected = { status: 404, code: 'ResourceNotFound', message: 'image not found' };
    assertError(await ask(`/images/${release.uuid}?channel=dev`), expected);
    assertError(await ask(`/images/${dev.uuid}?channel=release`), expected);
    assertError(await ask(`/images/${dev.uuid}/file?channel=release`), expected);
    assertError(await ask(`/images/${dev.uuid}`), expected);
    const absent = '99999999-0000-4000-8000-000000000000';
    assertError(await ask(`/images/${absent}?channel=dev`), { ...expected, message: `image ${absent} not found` });
  });

  await t.test('the upstream without channels was never told of one', () => {
    assert.ok(other.requests.every(({ url }) => !url.includes('channel=')));
  });
});

test('a wrong channel is told from an absence even before any list of another channel was asked for', async (t) => {
  await using upstream = await startImageServer({ images: [dev, release], channels: CHANNELS });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const answer = await ask(`/images/${dev.uuid}`);
  assertError(answer, { status: 404, code: 'ResourceNotFound', message: 'image not found' });
});

test('where no upstream has channels there is nothing to list, and ?channel is ignored', async (t) => {
  await using upstream = await startImageServer({ images: [plain] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  assertError(await ask('/channels'), {
    status: 404,
    code: 'ResourceNotFound',
    message: '/channels does not exist',
  });
  for (const channel of ['bogus', '*', 'a%26b', '%00']) {
    assert.deepEqual(namesOf(await ask(`/images?channel=${channel}`)), ['plain'], channel);
    for (const tail of ['', '/file', '/icon']) {
      assert.equal((await ask(`/images/${plain.uuid}${tail}?channel=${channel}`)).status, 200, `${tail} ${channel}`);
    }
  }
  assert.ok(upstream.requests.every(({ url }) => !url.includes('channel=')));
});

test('channels that could not be asked for are 503, not 404', async (t) => {
  await using upstream = await startImageServer({ images: [release], channels: CHANNELS });
  upstream.behave = ({ route }) => (route === 'channels' ? { status: 500 } : undefined);
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  assert.equal((await ask('/channels')).status, 503);
  upstream.behave = undefined;
  await mirror.app.catalog.refresh();
  assert.deepEqual((await ask('/channels')).json, CHANNELS);
});

test('the channels of several upstreams are one list with one default, and survive a restart without them', async (t) => {
  const staging = image('staging', 5, ['staging']);
  const more = image('more', 6, ['dev']);
  await using one = await startImageServer({ images: [dev, release], channels: CHANNELS });
  await using two = await startImageServer({
    images: [staging, more],
    channels: [
      { name: 'staging', default: true },
      { name: 'dev', description: 'The other dev' },
    ],
  });
  const upstreams = [one.url, two.url];
  const before = await startMirror(t, { upstreams });
  const merged = [...CHANNELS, { name: 'staging' }];
  const askBefore = createAsk(before);
  assert.deepEqual((await askBefore('/channels')).json, merged);
  assert.deepEqual(namesOf(await askBefore('/images?channel=dev')), ['dev', 'more']);
  assert.deepEqual(namesOf(await askBefore('/images?channel=staging')), ['staging']);
  assert.deepEqual(namesOf(await askBefore('/images?channel=*')), ['dev', 'release', 'staging', 'more']);
  await before.close();
  await one.stop();
  await two.stop();
  const ask = createAsk(await startMirror(t, { upstreams, dir: before.dir }));
  assert.deepEqual((await ask('/channels')).json, merged);
  assertError(await ask('/images?channel=bogus'), UNKNOWN_BOGUS);
  assert.deepEqual(namesOf(await ask('/images')), ['release', 'staging']);
});

test('an upstream with a configured channel is asked for that one where the client names none', async (t) => {
  await using upstream = await startImageServer({ images: [dev, both, release], channels: CHANNELS });
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, channel: 'dev' }] });
  const ask = createAsk(mirror);
  assert.deepEqual(namesOf(await ask('/images')), ['dev', 'both']);
  for (const tail of ['', '/file', '/icon']) assert.equal((await ask(`/images/${dev.uuid}${tail}`)).status, 200, tail);
  const asked = upstream.requests.filter(({ route }) => route !== 'channels' && route !== 'ping');
  for (const { url } of asked) assert.match(url, /[?&]channel=dev$/);
  assert.equal((await ask(`/images/${release.uuid}`)).status, 404);
  const all = await startMirror(t, { upstreams: [{ url: upstream.url, channel: '*' }] });
  assert.deepEqual(namesOf(await createAsk(all)('/images')), ['dev', 'both', 'release']);
});
