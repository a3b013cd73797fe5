import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import type { ByteSource } from '../../../src/downloads/byte-source.ts';
import { sendBytes, type SendBytesOptions, type Sent } from '../../../src/http/send-bytes.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';

const SIZE = 700_001;
const BYTES = Buffer.concat(
  [0, 1].map((half) => createSeededBytes('sent', SIZE).read(half * 350_000, half === 0 ? 350_000 : SIZE)),
);

interface FakeResponse {
  readonly res: ServerResponse;
  readonly sent: () => Buffer;
  /** Called for each piece; its promise is the socket taking it. */
  take: (piece: Buffer) => Promise<void>;
}

function fakeResponse(): FakeResponse {
  const pieces: Buffer[] = [];
  const write = (piece: Buffer, done: (error?: Error) => void): boolean => {
    void (async () => {
      try {
        await fake.take(piece);
        // The socket looks at the bytes only now: a buffer that was filled again meanwhile shows.
        pieces.push(Buffer.from(piece));
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    })();
    return true;
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- sendBytes calls nothing but `write`
  const res = { write } as unknown as ServerResponse;
  const fake: FakeResponse = { res, sent: () => Buffer.concat(pieces), take: async () => turn() };
  return fake;
}

interface FakeSource extends ByteSource {
  endedAt: number | undefined;
  reads: number;
  /** Most bytes one read gives. */
  most: number;
  failAt: number;
}

function fakeSource(): FakeSource {
  const source: FakeSource = {
    size: SIZE,
    endedAt: undefined,
    reads: 0,
    most: Infinity,
    failAt: Infinity,
    endAt(end) {
      source.endedAt = end;
    },
    ready: () => undefined,
    async read(buffer, position, length, signal) {
      source.reads += 1;
      await turn();
      signal.throwIfAborted();
      if (position >= source.failAt) throw new Error('wrong bytes');
      return BYTES.copy(buffer, 0, position, position + Math.min(length, source.most, buffer.length));
    },
    close: async () => undefined,
  };
  return source;
}

function optionsFor(over: Partial<SendBytesOptions> = {}): SendBytesOptions & { readonly told: number[] } {
  const told: number[] = [];
  const { signal } = new AbortController();
  return { start: 0, end: SIZE, stallTimeoutMs: 60_000, signal, onSent: (bytes) => told.push(bytes), told, ...over };
}

/** Why a client took no more; fails where it has everything. */
async function lostBy(sending: Promise<Sent>): Promise<unknown> {
  const sent = await sending;
  assert.equal(sent.kind, 'lost');
  return sent.kind === 'lost' ? sent.reason : undefined;
}

test('every byte is sent once, in order, and told of as the socket takes it', async () => {
  const { res, sent } = fakeResponse();
  const source = fakeSource();
  const options = optionsFor();
  assert.deepEqual(await sendBytes(res, source, options), { kind: 'all' });
  assert.deepEqual(sent(), BYTES);
  assert.equal(
    options.told.reduce((sum, bytes) => sum + bytes, 0),
    SIZE,
  );
  assert.equal(source.endedAt, SIZE);
});

test('a part is sent, from its start to its end, and the source is told where it ends', async () => {
  const { res, sent } = fakeResponse();
  const source = fakeSource();
  await sendBytes(res, source, optionsFor({ start: 12_345, end: 333_333 }));
  assert.deepEqual(sent(), BYTES.subarray(12_345, 333_333));
  assert.equal(source.endedAt, 333_333);
});

test('a source that gives little at a time is read until all is there', async () => {
  const { res, sent } = fakeResponse();
  const source = fakeSource();
  source.most = 999;
  await sendBytes(res, source, optionsFor({ end: 50_000 }));
  assert.deepEqual(sent(), BYTES.subarray(0, 50_000));
});

test('an empty file is sent without a read', async () => {
  const { res, sent } = fakeResponse();
  const source = fakeSource();
  await sendBytes(res, source, optionsFor({ end: 0 }));
  assert.deepEqual([sent().length, source.reads], [0, 0]);
});

test('a source that fails rejects, and nothing after the failure is sent', async () => {
  const { res, sent } = fakeResponse();
  const source = fakeSource();
  source.failAt = 300_000;
  await assert.rejects(sendBytes(res, source, optionsFor()), { message: 'wrong bytes' });
  await turn();
  assert.ok(sent().length <= 400_000);
  assert.deepEqual(sent(), BYTES.subarray(0, sent().length));
});

test('a socket that fails is the client’s doing, and the source is not read to its end', async () => {
  const fake = fakeResponse();
  fake.take = async () => {
    throw new Error('EPIPE');
  };
  const source = fakeSource();
  const options = optionsFor();
  assert.match(String(await lostBy(sendBytes(fake.res, source, options))), /EPIPE/);
  assert.deepEqual(options.told, [], 'what the socket did not take is not told of');
  assert.ok(source.reads <= 2, `${source.reads} reads`);
});

test('a client that takes nothing for too long is dropped', async () => {
  const fake = fakeResponse();
  fake.take = async () => new Promise(() => {});
  const options = optionsFor({ stallTimeoutMs: 20 });
  assert.match(String(await lostBy(sendBytes(fake.res, fakeSource(), options))), /took no byte/);
  assert.deepEqual(options.told, []);
});

test('a client that goes on taking is not dropped, however long the whole lasts', async () => {
  // Real timers: a mocked one cannot be refreshed. Six pieces of 220 ms last longer than a second, each is far below it.
  const fake = fakeResponse();
  let pieces = 0;
  fake.take = async () => {
    pieces += 1;
    await sleep(220);
  };
  await sendBytes(fake.res, fakeSource(), optionsFor({ stallTimeoutMs: 1000 }));
  assert.ok(pieces * 220 > 1000, `${pieces} pieces`);
  assert.deepEqual(fake.sent(), BYTES);
});

test('a source that fails while the client still takes is no client lost', async () => {
  const fake = fakeResponse();
  const taking = Promise.withResolvers<void>();
  fake.take = async () => taking.promise;
  const source = fakeSource();
  source.failAt = 1;
  await assert.rejects(sendBytes(fake.res, source, optionsFor()), { message: 'wrong bytes' });
  taking.resolve();
});

test('waiting for the source is not held against the client', async () => {
  const { res, sent } = fakeResponse();
  const source = fakeSource();
  const read = source.read.bind(source);
  const waits: Promise<void>[] = [];
  source.read = async (...args) => {
    const wait = new Promise<void>((resolve) => {
      setTimeout(resolve, 30);
    });
    waits.push(wait);
    await wait;
    return read(...args);
  };
  await sendBytes(res, source, optionsFor({ end: 200_000, stallTimeoutMs: 20 }));
  assert.deepEqual(sent(), BYTES.subarray(0, 200_000));
  assert.ok(waits.length > 1);
});

test('a buffer is not filled again while a socket may still look at it, also after its response has failed', async () => {
  // The socket of the first response keeps a piece for long; the response fails meanwhile, and others go on.
  const held: { readonly piece: Buffer; readonly copy: Buffer }[] = [];
  const gone = new AbortController();
  const stuck = fakeResponse();
  stuck.take = async (piece) => {
    held.push({ piece, copy: Buffer.from(piece) });
    return new Promise(() => {});
  };
  const failing = sendBytes(stuck.res, fakeSource(), optionsFor({ signal: gone.signal }));
  await turn();
  await turn();
  gone.abort(new Error('the client has left'));
  assert.match(String(await lostBy(failing)), /the client has left/);
  const others = [1, 2, 3, 4, 5].map(async (steps) => {
    const fake = fakeResponse();
    fake.take = async () => {
      for (let step = 0; step < steps; step++) await turn();
    };
    await sendBytes(fake.res, fakeSource(), optionsFor({ start: steps * 10_007 }));
    assert.ok(fake.sent().equals(BYTES.subarray(steps * 10_007)), `response ${steps}`);
  });
  await Promise.all(others);
  assert.ok(held.length > 0);
  for (const { piece, copy } of held) assert.ok(piece.equals(copy), 'the held piece is as it was');
});

test('a client that takes nothing is dropped, too, while its next piece is waited for', async () => {
  const fake = fakeResponse();
  fake.take = async () => new Promise(() => {});
  const source = fakeSource();
  const read = source.read.bind(source);
  source.read = async (buffer, position, length, signal) => {
    if (position === 0) return read(buffer, position, length, signal);
    // As in the line of an upstream that has no slot.
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  };
  const sending = sendBytes(fake.res, source, optionsFor({ stallTimeoutMs: 20 }));
  assert.match(String(await lostBy(sending)), /took no byte/);
});

test('while it waits for the source a response holds no buffer of its own', async () => {
  const source = fakeSource();
  const stall = Promise.withResolvers<void>();
  let asked = 0;
  source.ready = () => {
    asked += 1;
    return asked === 1 ? stall.promise : undefined;
  };
  const { res, sent } = fakeResponse();
  const sending = sendBytes(res, source, optionsFor({ end: 1000 }));
  for (let turns = 0; turns < 5; turns++) await turn();
  assert.equal(source.reads, 0);
  stall.resolve();
  await sending;
  assert.deepEqual(sent(), BYTES.subarray(0, 1000));
});

test('a client that leaves while the source is waited for is lost, and that is why', async () => {
  const gone = new AbortController();
  const source = fakeSource();
  source.read = async (_buffer, _position, _length, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  const sending = sendBytes(fakeResponse().res, source, optionsFor({ signal: gone.signal }));
  await turn();
  gone.abort(new Error('the client has left'));
  assert.match(String(await lostBy(sending)), /the client has left/);
});

test('a client that leaves while the socket is waited for is lost, and that is why', async () => {
  const gone = new AbortController();
  const fake = fakeResponse();
  fake.take = async () => new Promise(() => {});
  const sending = sendBytes(fake.res, fakeSource(), optionsFor({ signal: gone.signal }));
  setTimeout(() => gone.abort(new Error('the client has left')), 5);
  assert.match(String(await lostBy(sending)), /the client has left/);
});
