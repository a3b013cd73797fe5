import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { test, type TestContext } from 'node:test';
import { createEventFeed, type EventFeed, type EventFeedOptions, type Seen } from '../../../src/http/event-feed.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { until } from '../../support/wait-for.ts';

class FakeResponse extends EventEmitter {
  text = '';
  destroyed = false;
  writableEnded = false;
  writableNeedDrain = false;
  ending: 'ended' | 'destroyed' | undefined;

  writeHead(): void {}

  write(text: string): void {
    this.text += text;
  }

  end(): void {
    this.#close('ended');
  }

  destroy(): void {
    this.#close('destroyed');
  }

  get data(): string[] {
    return Array.from(this.text.matchAll(/^data: (.*)$/gm), ([, data]) => data ?? '');
  }

  #close(how: 'ended' | 'destroyed'): void {
    this.ending ??= how;
    if (how === 'ended') this.writableEnded = true;
    else this.destroyed = true;
    this.emit('close');
  }
}

interface Fixture {
  readonly feed: EventFeed;
  readonly stopping: AbortController;
  readonly log: ReturnType<typeof createCaptureLog>;
  /** How often the state was read. */
  readonly reads: () => number;
  set: (data: string) => void;
  fail: (error: Error | undefined) => void;
  advance: (ms: number) => void;
  listen: () => FakeResponse;
}

function start(t: TestContext, options: EventFeedOptions = {}): Fixture {
  let data = 'one';
  let failure: Error | undefined;
  let reads = 0;
  let aheadMs = 0;
  const stopping = new AbortController();
  const log = createCaptureLog();
  const read = async (): Promise<Seen> => {
    reads += 1;
    if (failure !== undefined) throw failure;
    return { data, mark: data };
  };
  const monotonicNow = (): number => performance.now() + aheadMs;
  const feed = createEventFeed({ read, stopping: stopping.signal, log, monotonicNow }, { everyMs: 5, ...options });
  t.after(() => stopping.abort());
  return {
    feed,
    stopping,
    log,
    reads: () => reads,
    set: (next) => (data = next),
    fail: (error) => (failure = error),
    advance: (ms) => (aheadMs += ms),
    listen() {
      const response = new FakeResponse();
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of a response that the feed uses
      void feed.add(response as unknown as ServerResponse, () => {});
      return response;
    },
  };
}

async function pause(ms = 40): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

test('the state at once, then what changes, and nothing while nothing does', async (t) => {
  const { listen, set } = start(t);
  const response = listen();
  await until(() => response.data.length === 1);
  await pause();
  assert.deepEqual(response.data, ['one']);
  set('two');
  await until(() => response.data.length === 2);
  assert.match(response.text, /^retry: 3000\n\nevent: status\ndata: one\n\nevent: status\ndata: two\n\n$/);
});

test('whoever reads too slowly skips what was in between and gets the newest, also if nothing changes any more', async (t) => {
  const { listen, set } = start(t);
  const [quick, slow] = [listen(), listen()];
  await until(() => quick.data.length === 1 && slow.data.length === 1);
  slow.writableNeedDrain = true;
  for (const next of ['two', 'three']) {
    set(next);
    await until(() => quick.data.at(-1) === next);
  }
  assert.deepEqual(slow.data, ['one']);
  slow.writableNeedDrain = false;
  await until(() => slow.data.length === 2);
  assert.deepEqual(slow.data, ['one', 'three']);
});

test('whoever takes nothing for too long is dropped', async (t) => {
  const { listen, advance, feed } = start(t);
  const [quick, stuck] = [listen(), listen()];
  stuck.writableNeedDrain = true;
  await pause();
  assert.equal(stuck.ending, undefined);
  advance(61_000);
  await until(() => stuck.ending === 'destroyed');
  assert.equal(quick.ending, undefined);
  assert.equal(feed.listeners, 1);
});

test('a comment says now and then that it is alive', async (t) => {
  const { listen, advance } = start(t);
  const response = listen();
  await pause();
  assert.doesNotMatch(response.text, /alive/);
  advance(15_000);
  await until(() => response.text.endsWith(': alive\n\n'));
  await pause();
  assert.equal(response.text.match(/alive/g)?.length, 1);
});

test('nothing is read where nobody listens', async (t) => {
  const { listen, reads } = start(t);
  const [one, two] = [listen(), listen()];
  await until(() => one.data.length === 1 && two.data.length === 1);
  one.end();
  two.end();
  await pause(10);
  const before = reads();
  await pause();
  assert.equal(reads(), before);
});

test('no more than so many listen', async (t) => {
  const { listen, feed } = start(t, { maxListeners: 2 });
  const first = listen();
  feed.checkRoom();
  listen();
  assert.throws(() => feed.checkRoom(), { code: 'ServiceUnavailableError', isMeant: true });
  first.end();
  feed.checkRoom();
});

test('the stop ends them all, and drops who would hold it up; nobody is let in after it', async (t) => {
  const { listen, feed, stopping } = start(t);
  const [quick, slow] = [listen(), listen()];
  slow.writableNeedDrain = true;
  stopping.abort();
  assert.deepEqual([quick.ending, slow.ending], ['ended', 'destroyed']);
  assert.throws(() => feed.checkRoom(), { code: 'ShuttingDown' });
});

test('a state that cannot be read is in the log, and the listeners stay', async (t) => {
  const { listen, fail, set, log } = start(t);
  fail(new Error('the disk is gone'));
  const response = listen();
  await until(() => log.lines.some(({ message }) => /could not be read/.test(message)));
  fail(undefined);
  set('again');
  await until(() => response.data.length === 1);
  assert.deepEqual(response.data, ['again']);
});
