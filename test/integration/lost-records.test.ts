/** Records lost, upstream down: what is cached is shown where it belongs, also where the upstream has channels. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { assertError, createAsk, namesOf, type Ask } from './ask.ts';

const CHANNELS = [
  { name: 'release', description: 'Tested', default: true },
  { name: 'dev', description: 'Everything' },
] as const;

const image = (name: string, day: number, channels?: readonly string[]): TestImage =>
  makeImage({
    name,
    size: 900,
    icon: true,
    publishedAt: `2020-01-0${day}T00:00:00Z`,
    ...(channels === undefined ? {} : { channels }),
  });

/** A mirror that has cached the files of some images and the icons of others, and then lost its records and its upstream. */
async function lost(
  t: TestContext,
  images: readonly TestImage[],
  asked: readonly string[],
  channels: typeof CHANNELS | undefined,
): Promise<Ask> {
  await using upstream = await startImageServer({ images, ...(channels === undefined ? {} : { channels }) });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  for (const target of asked) assert.equal((await ask(`/images/${target}?channel=*`)).status, 200);
  for (const target of asked) {
    await until(() => existsSync(path.join(mirror.dir, 'manifests', `${target.split('/')[0]}.json`)));
  }
  await mirror.close();
  for (const name of readdirSync(mirror.dir).filter((entry) => entry.startsWith('records.sqlite'))) {
    await rm(path.join(mirror.dir, name));
  }
  await upstream.stop();
  return createAsk(await startMirror(t, { upstreams: [upstream.url], dir: mirror.dir }));
}

test('cached images are listed in their channels, and the channels are known', async (t) => {
  const [dev, both, release] = [
    image('dev', 1, ['dev']),
    image('both', 2, ['dev', 'release']),
    image('release', 3, ['release']),
  ];
  const images = [dev, both, release];
  const ask = await lost(
    t,
    images,
    images.map(({ uuid }) => `${uuid}/file`),
    CHANNELS,
  );
  const list = async (query: string): Promise<string[]> => namesOf(await ask(`/images${query}`));
  assert.deepEqual((await ask('/channels')).json, CHANNELS);
  assert.deepEqual(await list(''), ['both', 'release']);
  assert.deepEqual(await list('?channel=release'), ['both', 'release']);
  assert.deepEqual(await list('?channel=dev'), ['dev', 'both']);
  assert.deepEqual(await list('?channel=*'), ['dev', 'both', 'release']);
  assertError(await ask('/images?channel=bogus'), {
    status: 422,
    code: 'ValidationFailed',
    message: 'unknown channel: bogus',
  });
  assert.equal((await ask(`/images/${dev.uuid}/file?channel=dev`)).headers['x-cache'], 'HIT');
});

test('an image of which only the icon is cached is not listed', async (t) => {
  const [whole, icon] = [image('whole', 1), image('icon', 2)];
  const ask = await lost(t, [whole, icon], [`${whole.uuid}/file`, `${icon.uuid}/icon`], undefined);
  assert.deepEqual(namesOf(await ask('/images')), ['whole']);
  assert.equal((await ask(`/images/${icon.uuid}/icon`)).headers['x-cache'], 'HIT', 'it is served all the same');
});
