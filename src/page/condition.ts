/** How the mirror is, in a few words: one verdict for the header of every page and for the events that keep it up to date. PURE. */
import type { StatusResult } from '../operations/status.ts';
import { upstreamState } from './upstream-table.ts';
import { counted } from './wording.ts';

export interface Condition {
  /** `good` only where nothing is wrong. */
  readonly kind: 'good' | 'note' | 'warn' | 'bad';
  readonly text: string;
}

export function conditionOf(status: StatusResult): Condition {
  const { readiness, offline } = status;
  const word = readiness.ready ? (offline ? 'offline' : 'ready') : 'not ready';
  const troubles = [...upstreamTroubles(status), ...diskTroubles(status), ...byteTroubles(status)];
  const text = [word, ...troubles].join(', ');
  if (!readiness.ready) return { kind: 'bad', text };
  if (troubles.length > 0) return { kind: 'warn', text };
  return { kind: offline ? 'note' : 'good', text };
}

function upstreamTroubles({ upstreams, offline }: StatusResult): readonly string[] {
  const states = upstreams.map((upstream) => upstreamState(upstream, offline));
  const inState = (wanted: (typeof states)[number]): number => states.filter((state) => state === wanted).length;
  // Of one that is down both fail, which needs no words of its own; offline none is asked.
  const isAsked = (at: number): boolean => states[at] !== 'down' && states[at] !== 'offline';
  const failing = (what: 'file' | 'list'): number =>
    upstreams.filter(({ breakers }, at) => isAsked(at) && breakers[what] !== 'closed').length;
  return [
    ...some(inState('down'), (count) => `${counted(count, 'upstream')} down`),
    ...some(failing('file'), (count) => `files failing at ${counted(count, 'upstream')}`),
    ...some(failing('list'), (count) => `lists failing at ${counted(count, 'upstream')}`),
    ...some(inState('held'), (count) => `${counted(count, 'list')} held back`),
    ...some(inState('useless'), (count) => `${counted(count, 'upstream')} without a list`),
  ];
}

/** As the alert on it counts: half of what eviction keeps free, so that it has found nothing that may go. */
const NEAR_LIMIT_SHARE = 0.025;
const NEAR_LIMIT_BYTES = 5 * 2 ** 30;

function isNear(left: number, all: number): boolean {
  return left < Math.min(NEAR_LIMIT_SHARE * all, NEAR_LIMIT_BYTES);
}

function diskTroubles({ readiness, storage }: StatusResult): readonly string[] {
  const { usedBytes, maxBytes, freeBytes, minFreeBytes } = storage;
  const left = freeBytes - minFreeBytes;
  const isNearLimit = (maxBytes !== null && isNear(maxBytes - usedBytes, maxBytes)) || isNear(left, left + usedBytes);
  return [
    // What else it says while it can serve is about the disk; the words are below the header.
    ...(readiness.ready && readiness.reasons.length > 0 ? ['disk failing'] : []),
    ...(isNearLimit ? ['disk near its limit'] : []),
  ];
}

function byteTroubles({ catalog, storage }: StatusResult): readonly string[] {
  return [
    ...some(catalog.conflicts, (count) => counted(count, 'conflict')),
    ...some(storage.quarantinedFiles, (count) => `${counted(count, 'file')} in quarantine`),
  ];
}

/** Nothing where there is none, and where nobody knows (NaN). */
function some(count: number, words: (count: number) => string): readonly string[] {
  return count > 0 ? [words(count)] : [];
}
