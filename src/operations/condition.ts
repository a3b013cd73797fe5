/** How the mirror is, in a few words: one verdict for the status, the events and the header of every page. PURE. */
import { counted } from '../config/units.ts';
import type { StatusFacts, UpstreamStatus } from './status.ts';

export interface Condition {
  /** `bad`: it cannot serve; `warn`: there are troubles; `note`: there are none, and it is offline; `good`: there are none. */
  readonly kind: 'good' | 'note' | 'warn' | 'bad';
  /** One line: whether it serves, the worst troubles, and how many more there are. */
  readonly summary: string;
  /** All that is wrong with upstreams, the disk and the bytes they tell of, the worst first. */
  readonly troubles: readonly string[];
}

/** So many troubles the summary has. */
const WORST = 2;

export function conditionOf(status: StatusFacts): Condition {
  const { readiness, offline } = status;
  const word = readiness.ready ? (offline ? 'offline' : 'ready') : 'not ready';
  const troubles = troublesOf(status);
  const more = troubles.length - WORST;
  const summary = [word, ...troubles.slice(0, WORST), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
  if (!readiness.ready) return { kind: 'bad', summary, troubles };
  if (troubles.length > 0) return { kind: 'warn', summary, troubles };
  return { kind: offline ? 'note' : 'good', summary, troubles };
}

/** How an upstream stands, as every place counts it. */
export type UpstreamState = 'up' | 'held' | 'useless' | 'down' | 'unknown' | 'offline';

export function upstreamState(
  { up, held, problem }: Pick<UpstreamStatus, 'up' | 'held' | 'problem'>,
  isOffline: boolean,
): UpstreamState {
  if (isOffline) return 'offline';
  if (up === null) return 'unknown';
  if (!up) return 'down';
  if (held) return 'held';
  return problem === null ? 'up' : 'useless';
}

/**
 * The worst first. What is in quarantine is none of them: it stays there for days after all is well again. Nor is a half-open breaker: it
 * stays so until somebody asks.
 */
function troublesOf(status: StatusFacts): readonly string[] {
  const { upstreams, offline, readiness, catalog, storage } = status;
  const states = upstreams.map((upstream) => upstreamState(upstream, offline));
  const inState = (wanted: UpstreamState): number => states.filter((state) => state === wanted).length;
  // Of one that is down both fail, which needs no words of its own; offline none is asked.
  const isAsked = (at: number): boolean => states[at] !== 'down' && states[at] !== 'offline';
  const failing = (what: 'file' | 'list'): number =>
    upstreams.filter(({ breakers }, at) => isAsked(at) && breakers[what] === 'open').length;
  return [
    // What else it says while it can serve is about the disk.
    ...(readiness.ready && readiness.reasons.length > 0 ? ['disk failing'] : []),
    ...some(inState('down'), (count) => `${counted(count, 'upstream')} down`),
    ...some(failing('file'), (count) => `files failing at ${counted(count, 'upstream')}`),
    ...some(catalog.conflicts, (count) => counted(count, 'conflict')),
    ...(isNearLimit(storage, writtenBytes(status)) ? ['disk near its limit'] : []),
    ...some(inState('useless'), (count) => `${counted(count, 'upstream')} without a list`),
    ...some(failing('list'), (count) => `lists failing at ${counted(count, 'upstream')}`),
    ...some(inState('held'), (count) => `${counted(count, 'list')} held back`),
  ];
}

/** Nothing where there is none, and where nobody knows (NaN). */
function some(count: number, words: (count: number) => string): readonly string[] {
  return count > 0 ? [words(count)] : [];
}

/** As the alert on it counts: half of what eviction keeps free, so that it has found nothing that may go. */
const NEAR_LIMIT_SHARE = 0.025;
const NEAR_LIMIT_BYTES = 5 * 2 ** 30;

function isNear(left: number, all: number): boolean {
  return left < Math.min(NEAR_LIMIT_SHARE * all, NEAR_LIMIT_BYTES);
}

/** @param written by running downloads: within `usedBytes`, and within `reservedBytes` too */
function isNearLimit(storage: StatusFacts['storage'], written: number): boolean {
  const { usedBytes, maxBytes, freeBytes, minFreeBytes, reservedBytes } = storage;
  const resting = usedBytes - written;
  const left = freeBytes - minFreeBytes;
  return (maxBytes !== null && isNear(maxBytes - resting - reservedBytes, maxBytes)) || isNear(left, left + resting);
}

function writtenBytes({ downloads }: StatusFacts): number {
  return downloads.reduce((sum, { received, passedThrough }) => sum + (passedThrough ? 0 : received), 0);
}
