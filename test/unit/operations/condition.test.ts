import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionOf, type Condition } from '../../../src/operations/condition.ts';
import type { StatusFacts, StatusResult, UpstreamStatus } from '../../../src/operations/status.ts';

const GiB = 2 ** 30;
const STORAGE = {
  usedBytes: 50 * GiB,
  maxBytes: 100 * GiB,
  freeBytes: 900 * GiB,
  minFreeBytes: 10 * GiB,
  reservedBytes: 0,
  quarantinedFiles: 0,
};

interface Told {
  readonly readiness?: StatusResult['readiness'];
  readonly offline?: boolean;
  readonly conflicts?: number;
  readonly upstreams?: readonly Partial<UpstreamStatus>[];
  readonly storage?: Partial<StatusResult['storage']>;
  readonly downloads?: readonly { readonly received: number; readonly passedThrough: boolean }[];
}

function judged({ readiness, offline = false, conflicts = 0, upstreams = [{}], ...rest }: Told = {}): Condition {
  const well = { up: true, held: false, problem: null, breakers: { list: 'closed', file: 'closed' } };
  const status: object = {
    readiness: readiness ?? { ready: true, reasons: [] },
    offline,
    catalog: { images: 10, conflicts },
    upstreams: upstreams.map((upstream) => ({ ...well, ...upstream })),
    storage: { ...STORAGE, ...rest.storage },
    downloads: rest.downloads ?? [],
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of it that this is about
  return conditionOf(status as StatusFacts);
}

function told(about?: Told): string {
  const { kind, summary } = judged(about);
  return `${kind}: ${summary}`;
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
    told({ upstreams: [{ breakers: { list: 'open', file: 'open' } }, { breakers: files }] }),
    'warn: ready, files failing at 2 upstreams, lists failing at 1 upstream',
  );
  assert.equal(
    told({ upstreams: [{ up: false, problem: 'refused', breakers: files }] }),
    'warn: ready, 1 upstream down',
  );
  assert.equal(told({ upstreams: [{ held: true, problem: 'shrank' }] }), 'warn: ready, 1 list held back');
  assert.equal(told({ upstreams: [{ problem: 'no list' }] }), 'warn: ready, 1 upstream without a list');
});

test('a breaker that is half-open, which it stays until somebody asks, is no trouble', () => {
  assert.equal(told({ upstreams: [{ breakers: { list: 'half-open', file: 'half-open' } }] }), 'good: ready');
});

test('of many troubles the worst are said, and how many more there are; all of them are told beside', () => {
  const about = {
    readiness: { ready: true, reasons: ['the cache directory cannot be written'] },
    conflicts: 3,
    upstreams: [
      { held: true, problem: 'shrank' },
      { up: false, problem: 'refused' },
    ],
  };
  assert.equal(told(about), 'warn: ready, disk failing, 1 upstream down, and 2 more');
  assert.deepEqual(judged(about).troubles, ['disk failing', '1 upstream down', '3 conflicts', '1 list held back']);
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

test('what is promised to downloads counts as used, and once: what they have written of it is within both', () => {
  const near = 'warn: ready, disk near its limit';
  assert.equal(told({ storage: { usedBytes: 90 * GiB, reservedBytes: 8 * GiB } }), near);
  const storage = { usedBytes: 90 * GiB, reservedBytes: 8 * GiB };
  assert.equal(told({ storage, downloads: [{ received: 2 * GiB, passedThrough: false }] }), 'good: ready');
  assert.equal(told({ storage, downloads: [{ received: 2 * GiB, passedThrough: true }] }), near);
});

test('conflicts are said; what is in quarantine, which it is for days after all is well, is not', () => {
  assert.equal(told({ conflicts: 2 }), 'warn: ready, 2 conflicts');
  assert.equal(told({ storage: { quarantinedFiles: 1 } }), 'good: ready');
});

test('a mirror that is not ready says so first, and one that is offline has no upstream that fails', () => {
  const not = { ready: false, reasons: ['the mirror is stopping'] };
  assert.equal(told({ readiness: not, conflicts: 1 }), 'bad: not ready, 1 conflict');
  const down = [{ up: false, problem: 'x', breakers: { list: 'open', file: 'open' } as const }];
  assert.equal(told({ offline: true, upstreams: down }), 'note: offline');
  assert.equal(told({ offline: true, conflicts: 1 }), 'warn: offline, 1 conflict');
});
