/**
 * Issue 3, item 7: local DNS points images.smartos.org at the mirror itself. A forwarder stands for that name: what is
 * sent to it arrives wherever the test says, which is known only once the mirror listens.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { assertError, createAsk, fieldsOf, uuidsOf } from '../integration/ask.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const ABSENT = '99999999-0000-4000-8000-000000000000';

interface Forwarder {
  readonly url: string;
  /** Where connections lead; until it is set they are refused, or wait for it if it was started so. */
  port: number | undefined;
  /** What was sent through it. */
  readonly sent: string;
  /** Ends its connections, as when a name comes to lead elsewhere. */
  hangUp(): void;
}

async function startForwarder(t: TestContext, { isPatient = false } = {}): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    // An end that goes away takes the other one with it; why is of no interest.
    return socket.on('error', () => {}).on('close', () => sockets.delete(socket));
  };
  let sent = '';
  const server = createServer((socket) => {
    keep(socket);
    void forward(socket);
  });
  async function forward(socket: Socket): Promise<void> {
    if (isPatient) await until(() => forwarder.port);
    if (forwarder.port === undefined) {
      socket.destroy();
      return;
    }
    const target = keep(connect({ host: '127.0.0.1', port: forwarder.port }));
    socket.on('data', (chunk: Buffer) => {
      sent += chunk.toString('latin1');
    });
    socket.pipe(target).pipe(socket);
    socket.on('close', () => target.destroy());
    target.on('close', () => socket.destroy());
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const forwarder = {
    url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
    port: undefined as number | undefined,
    get sent() {
      return sent;
    },
    hangUp() {
      for (const socket of sockets) socket.destroy();
    },
  };
  return forwarder;
}

/** How many requests a mirror has had since then. */
function countRequests(mirror: TestMirror): () => number {
  let seen = 0;
  mirror.app.server.server.on('request', () => {
    seen += 1;
  });
  return () => seen;
}

test('a mirror whose upstream is itself says so, without a storm', async (t) => {
  const itself = await startForwarder(t);
  const mirror = await startMirror(t, { upstreams: [itself.url], catalog: { refreshEvery: 3_600_000 } });
  itself.port = mirror.port;
  const ask = createAsk(mirror);
  const seen = countRequests(mirror);
  await mirror.app.catalog.refresh();
  const why = /upstream up0 leads back to this mirror|upstream up0: GET \/\S+ answered 508/;

  await t.test('lists, manifests, files and icons fail with the reason', async () => {
    assertError(await ask('/images'), { status: 508, code: 'LoopDetected', message: why });
    for (const tail of ['', '/file', '/icon']) {
      assertError(await ask(`/images/${ABSENT}${tail}`), {
        status: 508,
        code: 'LoopDetected',
        message: why,
      });
    }
  });

  await t.test('each request came back once', () => {
    // The refresh: channels and list; then four of the client's, of which three are looked up.
    assert.ok(seen() <= 2 + 4 + 3 + 2, `${seen()} requests`);
  });

  await t.test('the request that came back names the upstream that leads here', async () => {
    const via = /^via: (.+)$/im.exec(itself.sent)?.[1]?.trim();
    assert.ok(via !== undefined);
    for (const path of ['/ping', '/images', `/images/${ABSENT}`, `/images/${ABSENT}/file`, '/nothing']) {
      const answer = await ask(path, { headers: { via: `1.0 proxy, ${via}` } });
      assertError(answer, { status: 508, code: 'LoopDetected', message: /^upstream up0 leads back to this mirror/ });
    }
  });

  await t.test('pings are answered all the while', async () => {
    assert.equal(fieldsOf((await ask('/ping')).json)['imgapi'], true);
    assert.equal((await ask('/_mirror/health')).status, 200);
    assert.ok(mirror.log.linesOf(/request failed/).length > 0);
  });
});

test('a loop beside a sound upstream harms nothing that one has', async (t) => {
  const image = makeImage({ seed: 1, size: 5_000 });
  const hidden = makeImage({ seed: 2, size: 5_000, state: 'disabled' });
  await using good = await startImageServer({ images: [image, hidden] });
  const itself = await startForwarder(t);
  const mirror = await startMirror(t, { upstreams: [itself.url, good.url] });
  itself.port = mirror.port;
  const ask = createAsk(mirror);
  await mirror.app.catalog.refresh();
  assert.deepEqual(uuidsOf(await ask('/images')), [image.uuid]);
  for (const { uuid, files } of [image, hidden]) {
    assert.equal((await ask(`/images/${uuid}`)).status, 200);
    assert.equal((await ask(`/images/${uuid}/file`, { hash: true })).sha1, files[0]?.sha1);
  }
  assert.equal(
    (await ask(`/images/${ABSENT}`)).status,
    508,
    'absent at one; the other cannot tell, and that will not pass',
  );
});

test('a mirror of a mirror is no loop', async (t) => {
  const image = makeImage({ seed: 1, size: 5_000, icon: true });
  const hidden = makeImage({ seed: 2, size: 5_000, state: 'disabled' });
  await using origin = await startImageServer({ images: [image, hidden] });
  const first = await startMirror(t, { upstreams: [origin.url] });
  const second = await startMirror(t, { upstreams: [first.url] });
  const ask = createAsk(second);
  assert.deepEqual(uuidsOf(await ask('/images')), [image.uuid]);
  assert.equal((await ask(`/images/${hidden.uuid}`)).status, 200);
  assert.equal((await ask(`/images/${image.uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
  assert.equal((await ask(`/images/${image.uuid}/icon`)).status, 200);
  assert.equal((await ask(`/images/${ABSENT}`)).status, 404);
  const vias = new Set(origin.requests.map(({ headers }) => headers['via']));
  assert.equal(vias.size, 1, 'the first mirror’s alone');
});

/** Mirrors of which each has the next one as an upstream, the last one the first. */
async function startRing(t: TestContext, count: number): Promise<readonly TestMirror[]> {
  const links = [];
  for (let at = 0; at < count; at++) links.push(await startForwarder(t, { isPatient: true }));
  const mirrors: TestMirror[] = [];
  for (let at = 0; at < count; at++) {
    const next = links[(at + 1) % count];
    const mirror = await startMirror(t, {
      upstreams: [{ url: next?.url ?? '', name: `next${at}` }],
      waitForCatalog: false,
      catalog: { refreshEvery: 3_600_000 },
    });
    const link = links[at];
    if (link !== undefined) link.port = mirror.port;
    mirrors.push(mirror);
  }
  return mirrors;
}

for (const count of [2, 3]) {
  test(`${count} mirrors in a ring find out while they wait for each other, and say which upstream leads back`, async (t) => {
    const mirrors = await startRing(t, count);
    // All at once, before anybody knows: each list waits for the next one's.
    const startedAtMs = performance.now();
    const first = await Promise.all(
      mirrors.flatMap((mirror, at) =>
        ['/images', `/images/${ABSENT}`, `/images/${ABSENT}/file`].map(async (path) => {
          const answer = await createAsk(mirror)(path);
          assertError(answer, { status: 508, code: 'LoopDetected', message: new RegExp(`upstream next${at}\\b`) });
        }),
      ),
    );
    assert.equal(first.length, 3 * count);
    // Each wait that ends by time-out takes 10 s at least.
    assert.ok(performance.now() - startedAtMs < 5_000, `${performance.now() - startedAtMs} ms`);
    for (const [at, mirror] of mirrors.entries()) {
      assertError(await createAsk(mirror)('/images'), {
        status: 508,
        code: 'LoopDetected',
        message: new RegExp(`upstream next${at}\\b`),
      });
    }
  });
}

test('a ring that is opened is a chain: its mirrors heal by themselves', async (t) => {
  const image = makeImage({ seed: 1, size: 5_000 });
  await using origin = await startImageServer({ images: [image] });
  const [toFirst, toSecond] = [
    await startForwarder(t, { isPatient: true }),
    await startForwarder(t, { isPatient: true }),
  ];
  const first = await startMirror(t, {
    upstreams: [toSecond.url],
    waitForCatalog: false,
    catalog: { refreshEvery: 300 },
  });
  const second = await startMirror(t, { upstreams: [toFirst.url], waitForCatalog: false });
  toFirst.port = first.port;
  toSecond.port = second.port;
  await first.app.catalog.refresh();
  assert.equal((await createAsk(first)('/images')).status, 508);
  // The name of the second one leads to an image server again.
  toSecond.hangUp();
  toSecond.port = origin.port;
  const ask = createAsk(first);
  await until(async () => (await ask('/images')).status === 200);
  assert.equal((await ask(`/images/${image.uuid}/file`, { hash: true })).sha1, image.files[0]?.sha1);
});
