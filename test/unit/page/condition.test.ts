import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StatusResult, UpstreamStatus } from '../../../src/operations/status.ts';
import { conditionOf } from '../../../src/page/condition.ts';

const GiB = 2 ** 30;
const STORAGE = {
  usedBytes: 50 * GiB,
  maxBytes: 100 * GiB,
  freeBytes: 900 * GiB,
  minFreeBytes: 10 * GiB,
  quarantinedFiles: 0,
};

interface Told {
  readonly readiness?: StatusResult['readiness'];
  readonly offline?: boolean;
  readonly conflicts?: number;
  readonly upstreams?: readonly Partial<UpstreamStatus>[];
  readonly storage?: Partial<StatusResult['storage']>;
}

function told({ readiness, offline = false, conflicts = 0, upstreams = [{}], storage }: Told = {}): string {
  const well = { up: true, held: false, problem: null, breakers: { list: 'closed', file: 'closed' } };
  const status: object = {
    readiness: readiness ?? { ready: true, reasons: [] },
    offline,
    catalog: { images: 10, conflicts },
    upstreams: upstreams.map((upstream) => ({ ...well, ...upstream })),
    storage: { ...STORAGE, ...storage },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of it that this is about
  const { kind, text } = conditionOf(status as StatusResult);
  return `${kind}: ${text}`;
}

test('only where nothing is wrong it is good', () => {
  assert.equal(told(), 'good: ready');
  assert.equal(told({ upstreams: [{ up: null }] }), 'good: ready');
  assert.equal(told({ storage: { maxBytes: null } }), 'good: ready');
});

test('what is wrong with an upstream is said, of one that is down nothing else', () => {
  const files = { list: 'closed', file: 'open' } as const;
  assert.equal(told({ upstreams: [{ breakers: files }] }), 'warn: ready, files failing at 1 upstream');
  assert.equal(
    told({ upstreams: [{ breakers: { list: 'half-open', file: 'half-open' } }, { breakers: files }] }),
    'warn: ready, files failing at 2 upstreams, lists failing at 1 upstream',
  );
  assert.equal(
    told({ upstreams: [{ up: false, problem: 'refused', breakers: files }] }),
    'warn: ready, 1 upstream down',
  );
  assert.equal(told({ upstreams: [{ held: true, problem: 'shrank' }] }), 'warn: ready, 1 list held back');
  assert.equal(told({ upstreams: [{ problem: 'no list' }] }), 'warn: ready, 1 upstream without a list');
});

test('a disk that fails, or is near one of its limits, is said; one of which nothing is known is not', () => {
  const failing = { ready: true, reasons: ['the cache directory cannot be written'] };
  assert.equal(told({ readiness: failing }), 'warn: ready, disk failing');
  assert.equal(told({ storage: { usedBytes: 97 * GiB } }), 'good: ready');
  assert.equal(told({ storage: { usedBytes: 98 * GiB } }), 'warn: ready, disk near its limit');
  // Never more than 5 GiB, however large it is.
  assert.equal(told({ storage: { usedBytes: 994 * GiB, maxBytes: 1000 * GiB } }), 'good: ready');
  assert.equal(told({ storage: { usedBytes: 996 * GiB, maxBytes: 1000 * GiB } }), 'warn: ready, disk near its limit');
  assert.equal(told({ storage: { maxBytes: null, freeBytes: 11 * GiB } }), 'warn: ready, disk near its limit');
  assert.equal(told({ storage: { freeBytes: NaN, usedBytes: NaN, quarantinedFiles: NaN } }), 'good: ready');
});

test('wrong bytes and conflicts are said', () => {
  assert.equal(told({ conflicts: 2 }), 'warn: ready, 2 conflicts');
  assert.equal(told({ storage: { quarantinedFiles: 1 } }), 'warn: ready, 1 file in quarantine');
});

test('a mirror that is not ready says so first, and one that is offline has no upstream that fails', () => {
  const not = { ready: false, reasons: ['the mirror is stopping'] };
  assert.equal(told({ readiness: not, conflicts: 1 }), 'bad: not ready, 1 conflict');
  const down = [{ up: false, problem: 'x', breakers: { list: 'open', file: 'open' } as const }];
  assert.equal(told({ offline: true, upstreams: down }), 'note: offline');
  assert.equal(told({ offline: true, conflicts: 1 }), 'warn: offline, 1 conflict');
});
