import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSlots } from '../../../src/downloads/slots.ts';
import { transferBlob, type TransferTarget } from '../../../src/downloads/transfer.ts';
import { createSourceValidators } from '../../../src/downloads/validators.ts';
import type { WantedBlob } from '../../../src/downloads/wanted.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { sha1Of } from '../../../src/imgapi/ids.ts';
import { unavailable } from '../../../src/upstream/unavailable.ts';
import type { FileAnswer, FileRequest } from '../../../src/upstream/upstream.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { createCountedEvents } from './counted-events.ts';
import { createFakeUpstream, fileOf, refusal, sourceAt, type FakeUpstream } from './fake-upstream.ts';

const BYTES = createSeededBytes('transfer', 1000).read(0, 1000);
const REQUEST_ID = '11111111-2222-4333-8444-555555555555';

interface Gathered extends TransferTarget {
  readonly bytes: Buffer;
  readonly answeredBy: string[];
}

function gather(): Gathered {
  const chunks: Buffer[] = [];
  const answeredBy: string[] = [];
  return {
    answeredBy,
    get received() {
      return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    },
    get bytes() {
      return Buffer.concat(chunks);
    },
    async receive(chunk) {
      chunks.push(chunk);
    },
    onHeaders: ({ upstream }) => answeredBy.push(upstream.name),
  };
}

function transfer(
  upstreams: readonly FakeUpstream[],
  target: TransferTarget,
  signal = new AbortController().signal,
  validators = createSourceValidators(),
) {
  const slots = createSlots({ upstream: 'any', count: 1, waitMs: 1000, maxWaiting: 10 });
  const log = createCaptureLog();
  const wanted: WantedBlob = {
    sha1: sha1Of(BYTES),
    size: BYTES.length,
    sources: upstreams.map(sourceAt),
    requestId: REQUEST_ID,
  };
  const events = createCountedEvents();
  const unfit: string[] = [];
  const onUnfit = (name: string): void => void unfit.push(name);
  const done = transferBlob({ log, slotsOf: () => slots, random: () => 0, onUnfit, events }, wanted, target, {
    signal,
    isSingleSource: false,
    validators,
  });
  return { done, slots, log, unfit, happened: events.lines };
}

function upstreamThat(...answers: ((request: FileRequest) => FileAnswer)[]): FakeUpstream {
  return createFakeUpstream('up', {
    file: (request, attempt) => {
      const answer = answers[attempt - 1];
      if (answer === undefined) throw refusal(404);
      return answer(request);
    },
  });
}

function unfitRange(): never {
  throw unavailable('up', 'body', 'a Content-Range that does not fit');
}

function offsets({ files }: FakeUpstream): number[] {
  return files.map(({ offset }) => offset);
}

test('the bytes arrive, the slot is given back, the stream is cancelled, the request id goes along', async () => {
  const upstream = upstreamThat(() => fileOf(BYTES, { chunkBytes: 7 }));
  const target = gather();
  const { done, slots } = transfer([upstream], target);
  await done;
  assert.deepEqual(target.bytes, BYTES);
  assert.deepEqual([slots.inUse, upstream.cancels], [0, 1]);
  assert.deepEqual([upstream.files[0]?.requestId, upstream.files[0]?.offset], [REQUEST_ID, 0]);
});

test('a cut transfer goes on at the byte where it stopped, at a source that honours ranges', async () => {
  const upstream = upstreamThat(
    () => fileOf(BYTES, { cutAt: 400, chunkBytes: 33 }),
    ({ offset }) => fileOf(BYTES, { start: offset }),
  );
  const target = gather();
  await transfer([upstream], target).done;
  assert.deepEqual(target.bytes, BYTES);
  assert.equal(upstream.files[1]?.offset, 400);
});

test('of a source that answers 200 the bytes that are there already are skipped', async () => {
  const upstream = upstreamThat(
    () => fileOf(BYTES, { cutAt: 400, chunkBytes: 33 }),
    () => fileOf(BYTES, { chunkBytes: 64 }),
  );
  const target = gather();
  await transfer([upstream], target).done;
  assert.deepEqual(target.bytes, BYTES);
});

test('a source whose part does not fit is asked once for the whole, and then left', async () => {
  const right = upstreamThat(
    () => fileOf(BYTES, { cutAt: 400 }),
    unfitRange,
    () => fileOf(BYTES),
  );
  const target = gather();
  await transfer([right], target).done;
  assert.deepEqual(target.bytes, BYTES);
  assert.deepEqual(offsets(right), [0, 400, 0]);

  const wrong = upstreamThat(() => fileOf(BYTES, { cutAt: 400 }), unfitRange, unfitRange);
  await assert.rejects(transfer([wrong], gather()).done, { code: 'UpstreamUnavailable' });
  assert.deepEqual(offsets(wrong), [0, 400, 0]);
});

for (const [what, before, after] of [
  ['ETag', { etag: '"one"' }, { etag: '"other"' }],
  ['ETag', { etag: '"one"', lastModified: 'a day' }, { etag: '"other"', lastModified: 'a day' }],
  ['Last-Modified', { etag: '"one"', lastModified: 'a day' }, { lastModified: 'another day' }],
] as const) {
  test(`nothing of a part with another ${what} is taken: the source is asked once for the whole`, async () => {
    const other = Buffer.alloc(BYTES.length, 7);
    const upstream = upstreamThat(
      () => fileOf(BYTES, { cutAt: 400, validators: before }),
      ({ offset }) => fileOf(other, { start: offset, validators: after }),
      () => fileOf(BYTES, { validators: after }),
    );
    const target = gather();
    const { done, log, happened } = transfer([upstream], target);
    await done;
    assert.deepEqual(target.bytes, BYTES);
    assert.deepEqual([offsets(upstream), upstream.cancels], [[0, 400, 0], 3]);
    assert.deepEqual(happened, ['resume skip 400']);
    assert.match(String(log.linesOf(/attempt to download failed/)[1]?.fields['err']), new RegExp(`another ${what}`));
  });
}

for (const [what, before, after] of [
  ['the same validators', { etag: '"one"', lastModified: 'a day' }, { etag: '"one"', lastModified: 'a day' }],
  ['the same ETag without quotes', { etag: '"one"' }, { etag: 'one' }],
  ['the same ETag at another time', { etag: 'one', lastModified: 'a day' }, { etag: 'one', lastModified: 'another' }],
  ['none', { etag: '"one"' }, {}],
  ['its first', {}, { etag: '"one"' }],
] as const) {
  test(`a part with ${what} goes behind what is there`, async () => {
    const upstream = upstreamThat(
      () => fileOf(BYTES, { cutAt: 400, validators: before }),
      ({ offset }) => fileOf(BYTES, { start: offset, validators: after }),
    );
    const target = gather();
    await transfer([upstream], target).done;
    assert.deepEqual([target.bytes, offsets(upstream)], [BYTES, [0, 400]]);
  });
}

test("one source's validators say nothing of another's", async () => {
  const one = createFakeUpstream('one', {
    file: (_, attempt) => {
      if (attempt > 1) throw refusal(403);
      return fileOf(BYTES, { cutAt: 400, validators: { etag: '"one"' } });
    },
  });
  const other = createFakeUpstream('other', {
    file: ({ offset }, attempt) =>
      fileOf(BYTES, { start: offset, validators: { etag: '"other"' }, ...(attempt === 1 ? { cutAt: 700 } : {}) }),
  });
  const target = gather();
  const validators = createSourceValidators();
  await transfer([one, other], target, undefined, validators).done;
  assert.deepEqual([target.bytes, offsets(one), offsets(other)], [BYTES, [0, 400], [400, 700]]);
  const { uuid, index } = sourceAt(one);
  assert.deepEqual(validators.all(), [
    { upstream: 'one', uuid, index, etag: '"one"' },
    { upstream: 'other', uuid, index, etag: '"other"' },
  ]);
});

test('what is known of bytes that are there already counts from the first answer on', async () => {
  const upstream = upstreamThat(
    ({ offset }) => fileOf(Buffer.alloc(BYTES.length), { start: offset, validators: { etag: '"new"' } }),
    () => fileOf(BYTES, { cutAt: 600, validators: { etag: '"new"' } }),
    () => fileOf(BYTES, { validators: { etag: '"newer"' } }),
  );
  const target = gather();
  await target.receive(BYTES.subarray(0, 400));
  const { uuid, index } = sourceAt(upstream);
  const validators = createSourceValidators([{ upstream: 'up', uuid, index, etag: '"old"' }]);
  await transfer([upstream], target, undefined, validators).done;
  assert.deepEqual([target.bytes, offsets(upstream)], [BYTES, [400, 0, 0]]);
  assert.deepEqual(validators.all(), [{ upstream: 'up', uuid, index, etag: '"newer"' }]);
});

test('a body that ends early without an error is not taken for the whole', async () => {
  const upstream = upstreamThat(
    () => fileOf(BYTES.subarray(0, 300), { totalSize: undefined }),
    ({ offset }) => fileOf(BYTES, { start: offset }),
  );
  const target = gather();
  await transfer([upstream], target).done;
  assert.deepEqual(target.bytes, BYTES);
});

test('what happens is told: resumes by mode, stalls, the source that was left for another', async () => {
  const stalling = upstreamThat(
    () => fileOf(BYTES, { cutAt: 400 }),
    () => fileOf(BYTES, { cutAt: 500 }),
    ({ offset }) => fileOf(BYTES, { start: offset, cutAt: 700 }),
    () => {
      throw unavailable('up', 'timeout', 'sent nothing for longer than its stallTimeout');
    },
  );
  const other = createFakeUpstream('other', { file: ({ offset }) => fileOf(BYTES, { start: offset }) });
  const { done, happened } = transfer([stalling, other], gather());
  await done;
  assert.deepEqual(happened, ['resume skip 400', 'resume range 500', 'stall up', 'failover up', 'resume range 700']);
});

test('a connection that breaks after the last byte has cost nothing: the transfer is complete', async () => {
  // A chunked answer whose end marker is lost. Asking again from byte 1000 of 1000 would be a 416, and the file a failure.
  const upstream = upstreamThat(() => fileOf(BYTES, { cutAt: BYTES.length }));
  const target = gather();
  await transfer([upstream], target).done;
  assert.deepEqual(target.bytes, BYTES);
  assert.equal(upstream.files.length, 1);
});

test('an empty file still has to be offered by somebody: a refusal is not its end', async () => {
  // Of an empty file all bytes are there before anybody was asked; whoever waits for its headers would wait for ever.
  const wanted = { sha1: sha1Of(Buffer.alloc(0)), size: 0, requestId: REQUEST_ID };
  const slots = createSlots({ upstream: 'any', count: 1, waitMs: 1000, maxWaiting: 10 });
  const events = createCountedEvents();
  const deps = { log: createCaptureLog(), slotsOf: () => slots, random: () => 0, onUnfit: () => undefined, events };
  const { signal } = new AbortController();
  const target = gather();
  const refusing = transferBlob(deps, { ...wanted, sources: [sourceAt(upstreamThat())] }, target, {
    signal,
    isSingleSource: false,
  });
  await assert.rejects(refusing, { code: 'UpstreamUnavailable' });
  const giving = upstreamThat(() => fileOf(Buffer.alloc(0)));
  await transferBlob(deps, { ...wanted, sources: [sourceAt(giving)] }, target, { signal, isSingleSource: false });
  assert.deepEqual(target.answeredBy, ['up']);
});

test('a wrong length is refused before headers, and the next source is asked at once', async () => {
  const wrong = createFakeUpstream('wrong', { file: () => fileOf(BYTES, { totalSize: 999 }) });
  const right = createFakeUpstream('right', { file: () => fileOf(BYTES) });
  const target = gather();
  const { done, unfit, happened } = transfer([wrong, right], target);
  await done;
  assert.deepEqual([unfit, happened], [['wrong'], ['checked size', 'failover wrong']]);
  assert.deepEqual(target.answeredBy, ['right']);
  assert.deepEqual([wrong.files.length, wrong.cancels], [1, 1]);
  assert.deepEqual(target.bytes, BYTES);
});

test('more bytes than the manifest says are an error, and none of them is taken', async () => {
  const upstream = upstreamThat(() =>
    fileOf(Buffer.concat([BYTES, BYTES]), { totalSize: undefined, chunkBytes: 1000 }),
  );
  const target = gather();
  const { done, unfit, happened } = transfer([upstream], target);
  await assert.rejects(done, { code: 'UpstreamUnavailable', message: /more than the 1000/ });
  assert.deepEqual([unfit, happened], [['up'], ['checked size']]);
  assert.equal(target.received, 1000);
  assert.equal(upstream.cancels, 1);
});

for (const [what, answer] of [
  ['says 404', () => ({ kind: 'absent' }) as const],
  [
    'says 403',
    () => {
      throw refusal(403);
    },
  ],
] as const) {
  test(`a source that ${what} is not asked again`, async () => {
    const no = createFakeUpstream('no', { file: answer });
    const yes = createFakeUpstream('yes', { file: () => fileOf(BYTES) });
    const target = gather();
    const { done, unfit } = transfer([no, yes], target);
    await done;
    assert.deepEqual([no.files.length, yes.files.length], [1, 1]);
    assert.deepEqual(unfit, what === 'says 404' ? ['no'] : [], 'only an absence says something of the blob');
  });
}

for (const [what, answers, isMeant] of [
  ['all sources say that they do not have it', ['absent', 'absent'], true],
  ['one fails before another says so', ['fails', 'absent'], false],
  ['one fails after another has said so', ['absent', 'fails'], false],
] as const) {
  test(`a file that cannot be had is nobody’s trouble here only if all say that it is not there: ${what}`, async () => {
    const sources = answers.map((answer) =>
      upstreamThat(() => {
        if (answer === 'fails') throw refusal(403);
        return { kind: 'absent' };
      }),
    );
    await assert.rejects(transfer(sources, gather()).done, { code: 'UpstreamUnavailable', isMeant });
  });
}

test('a source that breaks off again and again is kept as long as each attempt brings something new', async () => {
  const cuts = [100, 200, 300, 400, 500].map(
    (cutAt) =>
      ({ offset }: FileRequest) =>
        fileOf(BYTES, { start: offset, cutAt }),
  );
  const upstream = upstreamThat(...cuts, ({ offset }) => fileOf(BYTES, { start: offset }));
  const target = gather();
  await transfer([upstream], target).done;
  assert.deepEqual(target.bytes, BYTES);
  assert.deepEqual(
    upstream.files.map(({ offset }) => offset),
    [0, 100, 200, 300, 400, 500],
  );
});

test('a source that fails three times without a new byte is left for the next', async () => {
  const broken = createFakeUpstream('broken', {
    file: () => {
      throw refusal(503);
    },
  });
  const target = gather();
  const { done, log } = transfer([broken, upstreamThat(() => fileOf(BYTES))], target);
  await done;
  assert.equal(broken.files.length, 3);
  assert.equal(log.linesOf(/attempt to download failed/).length, 3);
});

test('the last error is thrown when every source has failed', async () => {
  const [one, other] = ['one', 'other'].map((name) =>
    createFakeUpstream(name, {
      file: () => {
        throw unavailable(name, 'status', `no, says ${name}`, { status: 401 });
      },
    }),
  );
  assert.ok(one && other);
  await assert.rejects(transfer([one, other], gather()).done, { message: /no, says other/ });
});

test("the target's own error, such as a full disk, ends the transfer as it is", async () => {
  const target = gather();
  const full = new Error('ENOSPC');
  target.receive = async () => {
    throw full;
  };
  const upstream = upstreamThat(() => fileOf(BYTES));
  const { done, slots } = transfer([upstream], target);
  await assert.rejects(done, full);
  assert.deepEqual([upstream.files.length, upstream.cancels, slots.inUse], [1, 1, 0]);
});

test('an abort while bytes arrive rejects with its reason and asks nobody else', async () => {
  const abort = new AbortController();
  const reason = new MirrorError('ShuttingDown', 'going down');
  const upstream = upstreamThat(() =>
    fileOf(BYTES, {
      chunkBytes: 100,
      gate: (at) => {
        if (at < 300) return;
        abort.abort(reason);
        throw unavailable('up', 'aborted', 'the request was given up');
      },
    }),
  );
  const other = createFakeUpstream('other', { file: () => fileOf(BYTES) });
  await assert.rejects(transfer([upstream, other], gather(), abort.signal).done, reason);
  assert.equal(other.files.length, 0);
});

test('an abort during the pause between two attempts rejects with its reason', async () => {
  const abort = new AbortController();
  const reason = new MirrorError('ShuttingDown', 'going down');
  const upstream = createFakeUpstream('up', {
    file: () => {
      setImmediate(() => abort.abort(reason));
      throw refusal(503);
    },
  });
  await assert.rejects(transfer([upstream], gather(), abort.signal).done, reason);
  assert.equal(upstream.files.length, 1);
});
