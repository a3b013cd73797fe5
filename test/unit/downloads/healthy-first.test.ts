import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { healthyFirst } from '../../../src/downloads/healthy-first.ts';
import type { Downloads } from '../../../src/downloads/registry.ts';
import type { WantedBlob } from '../../../src/downloads/wanted.ts';
import { isSha1Hex } from '../../../src/imgapi/ids.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type { FileAnswer, FileRequest, Upstream } from '../../../src/upstream/upstream.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { uuidOf } from '../upstream/loopback.ts';

interface Bench {
  readonly tripped: Set<string>;
  readonly due: Set<string>;
  readonly probes: FileRequest[];
  cancelled: number;
  answer: () => Promise<FileAnswer>;
  /** The upstreams in the order in which they would be asked. */
  orderFor(...names: string[]): Promise<string[]>;
}

async function no(): Promise<never> {
  throw new Error('not asked for in these tests');
}

async function* nothing(): AsyncGenerator<Buffer> {}

function bench(): Bench {
  const tripped = new Set<string>();
  const due = new Set<string>();
  const probes: FileRequest[] = [];
  let order: string[] = [];
  const downloads: Downloads = {
    async obtain(wanted) {
      order = wanted.sources.map(({ upstream }) => upstream.name);
      return no();
    },
    progressOf: () => undefined,
    running: [],
    passing: [],
    stopUnfollowed: () => undefined,
    close: async () => undefined,
  };
  const wrapped = healthyFirst(downloads, {
    healthOf: (name) => ({ isTripped: () => tripped.has(name), isProbeDue: () => due.has(name) }),
    log: createCaptureLog(),
  });
  const upstreamNamed = (name: string): Upstream => ({
    name,
    url: `http://${name}.test`,
    channel: undefined,
    maxDownloads: 1,
    prefetchDownloads: 1,
    ping: no,
    channels: no,
    list: no,
    manifest: no,
    icon: no,
    async file(request) {
      probes.push(request);
      return it.answer();
    },
    close: async () => undefined,
  });
  const it: Bench = {
    tripped,
    due,
    probes,
    cancelled: 0,
    answer: async () => ({
      kind: 'file',
      stream: {
        start: 0,
        totalSize: 100,
        contentMd5: undefined,
        validators: {},
        body: nothing(),
        cancel: () => void (it.cancelled += 1),
      },
    }),
    async orderFor(...names) {
      const sha1 = 'a'.repeat(40);
      assert.ok(isSha1Hex(sha1));
      const wanted: WantedBlob = {
        sha1,
        size: 100,
        sources: names.map((name) => ({
          upstream: upstreamNamed(name),
          uuid: uuidOf(1),
          index: 0,
          channel: undefined,
        })),
        requestId: 'r',
      };
      await assert.rejects(wrapped.obtain(wanted));
      await turn();
      return order;
    },
  };
  return it;
}

test('healthy upstreams are asked in precedence order, those that fail after them, none is left out', async () => {
  const it = bench();
  assert.deepEqual(await it.orderFor('a', 'b', 'c'), ['a', 'b', 'c']);
  it.tripped.add('a').add('c');
  assert.deepEqual(await it.orderFor('a', 'b', 'c', 'd'), ['b', 'd', 'a', 'c']);
  assert.deepEqual(await it.orderFor('a', 'c'), ['a', 'c'], 'where all fail precedence is as good as anything');
  assert.deepEqual(await it.orderFor('a'), ['a']);
  assert.equal(it.probes.length, 0);
});

test('one whose probe is due is asked for the last byte behind the back of the demand, and let go at the headers', async () => {
  const it = bench();
  it.tripped.add('a');
  it.due.add('a');
  assert.deepEqual(await it.orderFor('a', 'b'), ['b', 'a']);
  assert.deepEqual([it.probes.length, it.probes[0]?.offset, it.cancelled], [1, 99, 1]);
});

test('a probe that fails harms no demand', async () => {
  const it = bench();
  it.tripped.add('a');
  it.due.add('a');
  it.answer = async () => Promise.reject(unavailable('a', 'connect', 'ECONNREFUSED'));
  assert.deepEqual(await it.orderFor('a', 'b'), ['b', 'a']);
  it.answer = async () => ({ kind: 'absent' });
  assert.deepEqual(await it.orderFor('a', 'b'), ['b', 'a']);
  assert.equal(it.probes.length, 2);
});
