/** Without room on disk, over real connections: clients in step cost one upstream stream, and no speed costs bytes. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { runCli } from '../../src/cli/run.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';
import { fakeIo } from '../unit/cli/fake-io.ts';

const MIB = 1024 * 1024;
const SIZE = 40 * MIB;
/** Nothing of that size fits. */
const NO_ROOM = { maxBytes: MIB };

/** A response whose body nobody reads yet. */
async function openPaused(port: number, path: string): Promise<IncomingMessage> {
  const request = get({ host: '127.0.0.1', port, path, agent: false });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  return response.pause();
}

/** Rejects if the body does not end cleanly. */
async function sha1Of(body: IncomingMessage): Promise<string> {
  const hash = createHash('sha1');
  for await (const chunk of body) hash.update(chunk);
  return hash.digest('hex');
}

test('ten clients in step without room on disk cost about one upstream fetch', async (t) => {
  // Less than the ring: nobody falls out of it, however busy this machine is.
  const size = 7 * MIB;
  const image = makeImage({ size });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 60_000 }], cache: NO_ROOM });
  const path = `/images/${image.uuid}/file`;
  // Nothing goes on before all of them are there, however long that takes here.
  const clients = await Promise.all(Array.from({ length: 10 }, async () => openPaused(mirror.port, path)));
  upstream.behaviour = { rateBytesPerSecond: 25_000_000 };
  const sha1s = await Promise.all(clients.map(sha1Of));
  assert.deepEqual(new Set(sha1s), new Set([image.files[0]?.sha1]));
  assert.deepEqual(new Set(clients.map(({ headers }) => headers['x-cache'])), new Set(['PASS']));
  assert.ok(upstream.bytesSent <= size * 1.1, `${upstream.bytesSent / size} x`);
  assert.equal(await mirror.metric('imgapi_mirror_pass_throughs_total{result="right"}'), 1);
  assert.equal(await mirror.metric('imgapi_mirror_pass_throughs_alone_total'), 0);
});

test('three clients of different speeds without room on disk all get the right bytes, the slowest by a stream of its own', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], cache: NO_ROOM });
  const path = `/images/${image.uuid}/file`;
  const common = { port: mirror.port, path, hash: true, keepBody: false };
  // It takes what fits into its socket, and nothing more until the fast one has everything.
  const slow = await openPaused(mirror.port, path);
  const [fast, middle] = [rawRequest(common), rawRequest({ ...common, rateBytesPerSecond: 16 * MIB })];
  assert.equal((await fast).sha1, image.files[0]?.sha1);
  assert.equal(await mirror.metric('imgapi_mirror_pass_throughs_total{result="failed"}'), 0);
  assert.equal(await sha1Of(slow), image.files[0]?.sha1);
  assert.equal((await middle).sha1, image.files[0]?.sha1);
  assert.ok((await mirror.metric('imgapi_mirror_pass_throughs_alone_total')) >= 1);
});

test('a client that stands still is dropped in time and holds up nobody; when all are gone so is the upstream stream', async (t) => {
  const image = makeImage({ size: SIZE });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, {
    upstreams: [upstream.url],
    cache: NO_ROOM,
    listen: { clientStallTimeout: 1_000 },
  });
  const path = `/images/${image.uuid}/file`;
  const still = connect(mirror.port, '127.0.0.1');
  t.after(() => still.destroy());
  still.on('error', () => undefined);
  still.pause();
  still.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await until(() => upstream.fileAnswers.running === 1);
  const answer = await rawRequest({ port: mirror.port, path, hash: true, keepBody: false });
  assert.equal(answer.sha1, image.files[0]?.sha1);
  await until(() => mirror.log.linesOf(/response broken off/).length === 1);
  await until(() => upstream.fileAnswers.running === 0);
});

test('what is passed through is seen while it runs, and its clients leaving is no failure', async (t) => {
  const image = makeImage({ name: 'passing', size: SIZE });
  const [{ sha1 } = { sha1: '' }] = image.files;
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 60_000 }], cache: NO_ROOM });
  const clients = [1, 2].map(() => connect(mirror.port, '127.0.0.1'));
  for (const client of clients) {
    t.after(() => client.destroy());
    client.on('error', () => undefined).resume();
    client.write(`GET /images/${image.uuid}/file HTTP/1.1\r\nHost: x\r\n\r\n`);
  }
  const told = async (path: string): Promise<unknown> => {
    const { body } = await rawRequest({ port: mirror.port, path });
    const answer: unknown = JSON.parse(body.toString());
    return typeof answer === 'object' && answer !== null && 'downloads' in answer ? answer.downloads : undefined;
  };
  const running = {
    sha1,
    image: { uuid: image.uuid, name: 'passing', version: '1.0.0' },
    size: SIZE,
    received: 200_000,
    followers: 2,
    priority: 'demand',
    passedThrough: true,
  };
  const isSo = async (): Promise<boolean> => isDeepStrictEqual(await told('/_mirror/api/downloads'), [running]);
  await until(isSo, { what: 'both are told' });
  assert.deepEqual(await told('/_mirror/api/status'), [running]);
  const fake = fakeIo(['status', '--mirror', mirror.url], { cwd: mirror.dir });
  await runCli(fake.io);
  assert.match(fake.out(), /^passing .* passed through to 2$/m);
  const metric = async (name: string) => mirror.metric(`imgapi_mirror_${name}`);
  assert.deepEqual([await metric('pass_throughs_running'), await metric('downloads_running')], [1, 0]);
  for (const client of clients) client.destroy();
  await until(async () => (await metric('pass_throughs_running')) === 0);
  assert.equal(await metric('pass_throughs_total{result="aborted"}'), 1);
  assert.equal(await metric('pass_throughs_total{result="failed"}'), 0);
  assert.deepEqual(await told('/_mirror/api/downloads'), []);
});
