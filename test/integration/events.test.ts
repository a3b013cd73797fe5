/** `GET /_mirror/api/events`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { watchedOf, type StatusResult } from '../../src/operations/status.ts';
import { startImageServer, type ImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, fieldsOf } from './ask.ts';

const EVENTS = '/_mirror/api/events';
const image = makeImage({ name: 'apple', size: 400_000 });

interface Listener {
  readonly status: number;
  /** Every state so far. */
  readonly states: readonly Readonly<Record<string, unknown>>[];
  readonly ended: Promise<void>;
  leave(): void;
}

async function start(t: TestContext): Promise<{ mirror: TestMirror; upstream: ImageServer }> {
  const upstream = await startImageServer({ images: [image] });
  t.after(async () => upstream.close());
  return { mirror: await startMirror(t, { upstreams: [upstream.url] }), upstream };
}

async function listen(t: TestContext, mirror: TestMirror): Promise<Listener> {
  const gone = new AbortController();
  t.after(() => gone.abort());
  const answer = await fetch(mirror.url + EVENTS, { signal: gone.signal });
  const states: Readonly<Record<string, unknown>>[] = [];
  async function read(): Promise<void> {
    let text = '';
    for await (const chunk of (answer.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) states.push(fieldsOf(JSON.parse(data)));
      }
    }
  }
  const ended = read();
  ended.catch(() => {});
  return { status: answer.status, states, ended, leave: () => gone.abort() };
}

/** Twice a second at most, however slow the machine is. */
function assertBounded(count: number, beganMs: number): void {
  const ms = performance.now() - beganMs;
  assert.ok(count <= 3 + ms / 400, `${count} in ${Math.round(ms)} ms`);
}

test('the status at once, then nothing that was told before', async (t) => {
  const { mirror } = await start(t);
  const beganMs = performance.now();
  const { states } = await listen(t, mirror);
  await until(() => states.length === 1);
  const status = await statusOf(mirror);
  assert.ok('condition' in status);
  assert.deepEqual(Object.keys(states[0] ?? {}), [...Object.keys(status), 'running']);
  await sleep(1_200);
  // What begins at the start (the first scrub) may be told still, and others may fill the disk.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a status, by its keys
  const marks = states.map((state) => watchedOf(state as unknown as StatusResult));
  for (const [at, mark] of marks.entries()) assert.notEqual(mark, marks[at - 1], 'nothing is told twice');
  assertBounded(states.length, beganMs);
});

test('of many downloads the first ones are told, and how many there are; the status has them all', async (t) => {
  const images = Array.from({ length: 25 }, (_, at) => makeImage({ name: `image-${at}`, size: 400_000 }));
  const upstream = await startImageServer({ images, behaviour: { stallAfterBytes: 100_000 } });
  t.after(async () => upstream.close());
  // None is given up while it is looked at.
  const mirror = await startMirror(t, {
    upstreams: [{ url: upstream.url, maxDownloads: images.length, stallTimeout: 600_000 }],
  });
  const gone = new AbortController();
  t.after(() => gone.abort());
  for (const { uuid } of images) {
    // What one that leaves says is nothing to the test.
    void fetch(`${mirror.url}/images/${uuid}/file`, { signal: gone.signal }).catch(() => {});
    await until(async () => uuidsOf((await statusOf(mirror))['downloads']).at(-1) === uuid);
  }
  const { states } = await listen(t, mirror);
  await until(() => states.length > 0);
  const { downloads, running } = states.at(-1) ?? {};
  assert.equal(running, 25);
  assert.deepEqual(
    uuidsOf(downloads),
    images.slice(0, 20).map(({ uuid }) => uuid),
    'those that run longest',
  );
});

function uuidsOf(downloads: unknown): readonly unknown[] {
  assert.ok(Array.isArray(downloads));
  return downloads.map((download) => fieldsOf(fieldsOf(download)['image'])['uuid']);
}

async function statusOf(mirror: TestMirror): Promise<Readonly<Record<string, unknown>>> {
  return fieldsOf((await createAsk(mirror)('/_mirror/api/status')).json);
}

test('what goes out is counted as it does', async (t) => {
  const { mirror } = await start(t);
  const sent = async (): Promise<number> => mirror.metric('imgapi_mirror_http_response_bytes_total{route="events"}');
  const listener = await listen(t, mirror);
  await until(() => listener.states.length >= 1);
  listener.leave();
  await until(() => mirror.log.lines.some(({ fields }) => fields['route'] === 'events'));
  const bytes = await sent();
  assert.ok(bytes > JSON.stringify(listener.states[0]).length, `${bytes}`);
  await createAsk(mirror)(EVENTS, { method: 'HEAD' });
  assert.equal(await sent(), bytes);
});

test('a download is told of while it runs, and when it is over', async (t) => {
  const { mirror, upstream } = await start(t);
  upstream.behaviour = { rateBytesPerSecond: 200_000 };
  const beganMs = performance.now();
  const { states } = await listen(t, mirror);
  const received = (): number[] =>
    states.flatMap(({ downloads }) =>
      Array.isArray(downloads) ? downloads.map((one) => Number(fieldsOf(one)['received'])) : [],
    );
  await createAsk(mirror)(`/images/${image.uuid}/file`);
  await until(() => fieldsOf(states.at(-1)?.['storage'])['blobs'] === 1);
  assert.ok(new Set(received()).size >= 2, `seen at ${received().join(', ')}`);
  assertBounded(states.length, beganMs);
  const running = states.flatMap(({ downloads }) => (Array.isArray(downloads) ? downloads : []))[0];
  assert.deepEqual(fieldsOf(fieldsOf(running)['image']), { uuid: image.uuid, name: 'apple', version: '1.0.0' });
  assert.deepEqual(states.at(-1)?.['downloads'], []);
});

test('a listener that reads nothing holds up neither the others nor the stop', async (t) => {
  const { mirror, upstream } = await start(t);
  const deaf = connect({ host: '127.0.0.1', port: mirror.port });
  t.after(() => deaf.destroy());
  deaf.write(`GET ${EVENTS} HTTP/1.1\r\nHost: mirror\r\n\r\n`);
  deaf.pause();
  upstream.behaviour = { rateBytesPerSecond: 400_000 };
  const { states, ended } = await listen(t, mirror);
  await createAsk(mirror)(`/images/${image.uuid}/file`);
  await until(() => fieldsOf(states.at(-1)?.['storage'])['blobs'] === 1);
  await mirror.app.drain();
  await ended;
});

test('thirty-two may listen, no more; whoever leaves makes room', async (t) => {
  const { mirror } = await start(t);
  const listeners = await Promise.all(Array.from({ length: 32 }, async () => listen(t, mirror)));
  assert.ok(listeners.every(({ status }) => status === 200));
  const refused = await createAsk(mirror)(EVENTS);
  assert.equal(refused.status, 503);
  assert.equal(await mirror.metric('imgapi_mirror_http_requests_total{route="events",method="GET",code="refused"}'), 1);
  listeners[0]?.leave();
  const next = await until(async () => {
    const listener = await listen(t, mirror);
    return listener.status === 200 ? listener : undefined;
  });
  await until(() => next.states.length === 1);
});

test('the stop ends the events cleanly, and at once', async (t) => {
  const { mirror } = await start(t);
  const { states, ended } = await listen(t, mirror);
  await until(() => states.length === 1);
  const beganMs = performance.now();
  await mirror.app.drain();
  await ended;
  assert.ok(performance.now() - beganMs < mirror.config.listen.drainTimeout);
});

test('events have a name of their own in the metrics, and methods of their own', async (t) => {
  const { mirror } = await start(t);
  const ask = createAsk(mirror);
  const head = await ask(EVENTS, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-type']], [200, 'text/event-stream']);
  assert.equal(await mirror.metric('imgapi_mirror_http_requests_total{route="events",method="HEAD",code="2xx"}'), 1);
  const refused = await ask(EVENTS, { method: 'POST' });
  assert.deepEqual([refused.status, refused.headers['allow']], [405, 'GET, HEAD']);
  const socket = connect({ host: '127.0.0.1', port: mirror.port });
  socket.end(`GET ${EVENTS} HTTP/1.0\r\nHost: mirror\r\n\r\n`);
  const [chunk]: unknown[] = await once(socket, 'data');
  assert.match(String(chunk), /^HTTP\/1\.1 200 OK/);
  socket.destroy();
});
