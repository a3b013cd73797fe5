import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { TransferEvents } from '../../../src/downloads/transfer-events.ts';
import type { WantedBlob } from '../../../src/downloads/wanted.ts';
import type { Sha1Hex } from '../../../src/imgapi/ids.ts';
import { createLineage } from '../../../src/tracing/lineage.ts';
import { createTransferSpans } from '../../../src/tracing/transfer-spans.ts';
import { createFakeTracing, type KeptSpan } from './fake-tracing.ts';

const ID = '11111111-2222-4333-8444-555555555555';
const OTHER_ID = '99999999-2222-4333-8444-555555555555';

function wantedBy(requestId: string): WantedBlob {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is one
  return { sha1: 'a'.repeat(40) as Sha1Hex, size: 10, sources: [], requestId };
}

function bench() {
  const tracing = createFakeTracing();
  const lineage = createLineage();
  const transfers = createTransferSpans({ tracing, lineage });
  const checks: string[] = [];
  const events: TransferEvents = transfers.watch({
    onResume() {},
    onFailover() {},
    onStall() {},
    onChecked: (result) => void checks.push(result),
  });
  const begin = (name: string): KeptSpan => {
    tracing.begin(name, { kind: 'server', attributes: {}, parent: undefined });
    return tracing.spans.at(-1) ?? assert.fail();
  };
  return { lineage, transfers, events, checks, begin, spans: tracing.spans };
}

const ended = (result: string) => ({ ended: Promise.resolve({ result }) });

function parentOf(spans: readonly KeptSpan[], name: string): unknown {
  return spans.find((span) => span.name === name)?.parent ?? undefined;
}

test('a download belongs to the request that began it, and to none where that only set it off', () => {
  const { lineage, transfers, begin, spans } = bench();
  const span = begin('GET file');
  lineage.within({ requestId: ID, span }, () => transfers.around('download', wantedBy(ID), () => ended('stored')));
  assert.equal(parentOf(spans, 'download'), span);

  const behind = bench();
  const api = behind.begin('POST prefetch');
  behind.lineage.within({ requestId: ID, span: api }, () =>
    behind.transfers.around('download', wantedBy(OTHER_ID), () => ended('stored')),
  );
  assert.equal(parentOf(behind.spans, 'download'), undefined);
});

test('a pass-through belongs to the client that reads it, also where another one began the download', () => {
  const { lineage, transfers, begin, spans } = bench();
  const span = begin('GET file');
  lineage.within({ requestId: ID, span }, () =>
    transfers.around('pass-through', wantedBy(OTHER_ID), () => ended('right')),
  );
  assert.equal(parentOf(spans, 'pass-through'), span);
});

test('a download that follows on wrong bytes is beside the first one, not below it', () => {
  const { lineage, transfers, begin, spans } = bench();
  const span = begin('GET file');
  lineage.within({ requestId: ID, span }, () =>
    transfers.around('download', wantedBy(ID), () => {
      transfers.around('download', wantedBy(ID), () => ended('stored'));
      return ended('mismatch');
    }),
  );
  assert.deepEqual(
    spans.map(({ parent }) => parent),
    [undefined, span, span],
  );
});

for (const [result, checks, type] of [
  ['stored', ['right'], undefined],
  ['right', ['right'], undefined],
  // Another source had it.
  ['stored', ['size', 'right'], undefined],
  ['mismatch', ['sha1'], 'sha1'],
  ['stored', ['md5'], 'md5'],
  ['failed', ['size'], 'size'],
  ['failed', [], 'failed'],
  ['absent', [], 'absent'],
  ['disk', ['right'], 'disk'],
  ['aborted', [], undefined],
  ['aborted', ['size'], undefined],
] as const) {
  test(`a transfer that ended ${result}, its bytes being ${checks.join(' and then ') || 'unchecked'}, is ${type ?? 'no'} error`, async () => {
    const it = bench();
    it.transfers.around('download', wantedBy(ID), () => {
      for (const check of checks) it.events.onChecked(check);
      return ended(result);
    });
    await turn();
    const [{ ends, failure, attributes } = assert.fail()] = it.spans;
    assert.deepEqual(
      [ends, failure !== undefined, attributes['error.type'], attributes['imgapi_mirror.result']],
      [1, type !== undefined, type, result],
    );
    assert.equal(attributes['imgapi_mirror.aborted'], result === 'aborted' ? true : undefined);
    assert.deepEqual(it.checks, checks);
  });
}

test('a transfer that failed says why, unless its bytes were wrong or nobody wants it any more', async () => {
  const failure = new Error('no slot of up0 within 30 s');
  for (const [result, check, message] of [
    ['failed', undefined, failure.message],
    ['failed', 'size', 'another number of bytes than the manifest says was offered'],
    ['aborted', undefined, undefined],
  ] as const) {
    const it = bench();
    it.transfers.around('download', wantedBy(ID), () => {
      if (check !== undefined) it.events.onChecked(check);
      return { ended: Promise.resolve({ result, failure }) };
    });
    await turn();
    assert.equal(it.spans[0]?.failure, message);
  }
});

test('checks that nobody’s transfer tells of are passed on', () => {
  const { events, checks, spans } = bench();
  events.onChecked('size');
  assert.deepEqual([checks, spans], [['size'], []]);
});
