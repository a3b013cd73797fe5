import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { assertError, cachesOf, createAsk, createGate, fieldsOf, type Answer, type ExpectedError } from './ask.ts';

const iconPath = ({ uuid }: TestImage): string => `/images/${uuid}/icon`;

function noIconOf({ uuid }: TestImage): ExpectedError {
  return { status: 404, code: 'ResourceNotFound', message: `image "${uuid}" has no icon` };
}

function assertIcon(answer: Answer, image: TestImage, cache: string): void {
  const { bytes, contentType } = image.icon!;
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.body, bytes);
  assert.equal(answer.headers['content-type'], contentType);
  assert.equal(answer.headers['content-length'], String(bytes.length));
  assert.equal(answer.headers['content-md5'], createHash('md5').update(bytes).digest('base64'));
  assert.equal(answer.headers['etag'], createHash('sha1').update(bytes).digest('hex'));
  assert.equal(answer.headers['x-cache'], cache);
  assert.equal(answer.headers['content-encoding'], undefined);
}

test('an icon is a MISS first and a HIT after, with its own type, MD5 and tag', async (t) => {
  const png = makeImage({ name: 'png', icon: true, size: 900 });
  const gif: TestImage = {
    ...makeImage({ name: 'gif', icon: true, size: 900 }),
    icon: { bytes: Buffer.from('GIF89a, more or less'), contentType: 'image/gif' },
  };
  await using upstream = await startImageServer({ images: [png, gif] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  for (const image of [png, gif]) {
    for (const cache of ['MISS', 'HIT', 'HIT']) assertIcon(await ask(iconPath(image)), image, cache);
  }
  assert.equal(upstream.countOf('icon'), 2);
  const tag = createHash('sha1').update(png.icon!.bytes).digest('hex');
  for (const value of [tag, `"${tag}"`]) {
    const known = await ask(iconPath(png), { headers: { 'if-none-match': value } });
    assert.equal(known.status, 304);
    assert.equal(known.bytes, 0);
  }
});

test('many clients of a cold icon cost one request', async (t) => {
  const image = makeImage({ icon: true, size: 900 });
  const gate = createGate('icon');
  await using upstream = await startImageServer({ images: [image], steps: gate.steps });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const opened = gate.openAfter(mirror, 10);
  const answers = await Promise.all(Array.from({ length: 10 }, async () => ask(iconPath(image))));
  await opened;
  assert.deepEqual(cachesOf(answers), { MISS: 1, JOIN: 9 });
  for (const { body } of answers) assert.deepEqual(body, image.icon!.bytes);
  assert.equal(upstream.countOf('icon'), 1);
});

test('an image without an icon is 404, and its upstream is not asked', async (t) => {
  const none = makeImage({ name: 'none', size: 900 });
  const promised = makeImage({ name: 'promised', size: 900, extra: { icon: true } });
  await using upstream = await startImageServer({ images: [none, promised] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  assertError(await ask(iconPath(none)), noIconOf(none));
  assert.equal(upstream.countOf('icon'), 0);
  assertError(await ask(iconPath(promised)), noIconOf(promised));
  const unknown = '99999999-0000-4000-8000-000000000000';
  assertError(await ask(`/images/${unknown}/icon`), {
    status: 404,
    code: 'ResourceNotFound',
    message: `image ${unknown} not found`,
  });
});

test('an icon that cannot be fetched is 503 and is not kept', async (t) => {
  const image = makeImage({ icon: true, size: 900 });
  await using upstream = await startImageServer({ images: [image] });
  const ask = createAsk(await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 300 }] }));
  const troubles = [{ status: 500 }, { status: 403 }, { hangHeaders: true }, { resetHeaders: true }];
  for (const behaviour of [...troubles, { cutAfterBytes: 10 }, { redirectTo: 'http://127.0.0.1:9/' }]) {
    upstream.behave = ({ route }) => (route === 'icon' ? behaviour : undefined);
    const answer = await ask(iconPath(image));
    assert.equal(answer.status, 503, `${JSON.stringify(behaviour)}: ${answer.text}`);
    assert.match(String(fieldsOf(answer.json)['message']), /up0/);
  }
  upstream.behave = undefined;
  assertIcon(await ask(iconPath(image)), image, 'MISS');
});

test('an icon that is not what its Content-MD5 says is 503 and is not kept', async (t) => {
  const image = makeImage({ icon: true, size: 900 });
  await using upstream = await startImageServer({ images: [image] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  // No manifest names an icon's SHA-1: this header is all there is to tell a broken one by.
  for (const behaviour of [{ contentMd5: 'wrong' as const }, { corruptAtByte: 20 }, { contentLength: 5 }]) {
    upstream.behave = ({ route }) => (route === 'icon' ? behaviour : undefined);
    assert.equal((await ask(iconPath(image))).status, 503, JSON.stringify(behaviour));
  }
  upstream.behave = ({ route }) => (route === 'icon' ? { contentMd5: 'none' } : undefined);
  assertIcon(await ask(iconPath(image)), image, 'MISS');
});

test('icons survive a restart with the upstream down, beside the files of their images', async (t) => {
  const iconFirst = makeImage({ name: 'icon-first', icon: true, size: 900 });
  const fileFirst = makeImage({ name: 'file-first', icon: true, size: 900 });
  const inactive = makeImage({ name: 'inactive', state: 'disabled', icon: true, size: 900 });
  const cold = makeImage({ name: 'cold', icon: true, size: 900 });
  await using upstream = await startImageServer({ images: [iconFirst, fileFirst, inactive, cold] });
  const before = await startMirror(t, { upstreams: [upstream.url] });
  const askBefore = createAsk(before);
  for (const path of [
    iconPath(iconFirst),
    `/images/${iconFirst.uuid}/file`,
    `/images/${fileFirst.uuid}/file`,
    iconPath(fileFirst),
    iconPath(inactive),
  ]) {
    assert.equal((await askBefore(path)).status, 200);
  }
  await before.close();
  await upstream.stop();
  const after = await startMirror(t, { upstreams: [upstream.url], dir: before.dir });
  const ask = createAsk(after);
  for (const image of [iconFirst, fileFirst, inactive]) assertIcon(await ask(iconPath(image)), image, 'HIT');
  for (const image of [iconFirst, fileFirst]) {
    assert.equal((await ask(`/images/${image.uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
  }
  assert.equal((await ask(iconPath(cold))).status, 503);
});

test('the icon comes from the upstream that owns the image', async (t) => {
  const uuid = '12121212-0000-4000-8000-000000000000';
  const first = makeImage({ uuid, name: 'first', icon: true, size: 900 });
  const second = makeImage({ uuid, name: 'second', icon: true, size: 900 });
  await using one = await startImageServer({ images: [first] });
  await using two = await startImageServer({ images: [second] });
  const ask = createAsk(await startMirror(t, { upstreams: [one.url, two.url] }));
  one.behave = ({ route }) => (route === 'icon' ? { status: 500 } : undefined);
  assert.equal((await ask(iconPath(first))).status, 503);
  one.behave = undefined;
  assertIcon(await ask(iconPath(first)), first, 'MISS');
  assert.equal(two.countOf('icon'), 0);
});

test('an icon is no page: whatever its upstream calls it, a browser runs nothing of it', async (t) => {
  const script: TestImage = {
    ...makeImage({ name: 'script', icon: true, size: 900 }),
    icon: { bytes: Buffer.from('<script>document.title = "owned"</script>'), contentType: 'text/html; charset=utf-8' },
  };
  const parameters: TestImage = {
    ...makeImage({ name: 'parameters', icon: true, size: 900 }),
    icon: { bytes: Buffer.from('GIF89a, more or less'), contentType: 'IMAGE/GIF; charset=binary' },
  };
  await using upstream = await startImageServer({ images: [script, parameters] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  for (const [image, contentType] of [
    [script, 'application/octet-stream'],
    [parameters, 'image/gif'],
  ] as const) {
    for (const cache of ['MISS', 'HIT']) {
      const answer = await ask(iconPath(image));
      assertIcon(answer, { ...image, icon: { ...image.icon!, contentType } }, cache);
      assert.equal(answer.headers['x-content-type-options'], 'nosniff');
      assert.equal(answer.headers['content-security-policy'], "default-src 'none'; sandbox");
    }
  }
});
