/** `status`: what the mirror is, has and does, in one JSON object. */
import { conditionOf, type Condition } from './condition.ts';
import type { RunningDownload } from './downloads.ts';
import type { Operation } from './operation.ts';
import type { Verdict } from './ready.ts';

/** What is so, before it is judged. */
export interface StatusFacts {
  readonly version: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly offline: boolean;
  /** As `/_mirror/ready` says it. */
  readonly readiness: Verdict;
  readonly dir: string;
  readonly catalog: {
    /** Images that clients see by default. */
    readonly images: number;
    /** Images of which an upstream says something else than what is remembered. */
    readonly conflicts: number;
  };
  readonly upstreams: readonly UpstreamStatus[];
  /** What the disk cannot tell is NaN, in JSON null. */
  readonly storage: {
    readonly blobs: number;
    readonly blobBytes: number;
    /** What counts towards maxBytes, and what running downloads have written so far. */
    readonly usedBytes: number;
    /** null: no limit. */
    readonly maxBytes: number | null;
    readonly minFreeBytes: number;
    /** Free bytes of the file system. */
    readonly freeBytes: number;
    readonly reservedBytes: number;
    readonly partialBytes: number;
    readonly quarantinedFiles: number;
    readonly quarantinedBytes: number;
    readonly pinned: number;
    /** ISO 8601: when all that is stored had last been read again; null: that was never, or nothing stored has been. */
    readonly scrubbedAt: string | null;
  };
  /** Since the start. */
  readonly traffic: Traffic;
  readonly downloads: readonly RunningDownload[];
}

export interface StatusResult extends StatusFacts {
  readonly condition: Condition;
}

export interface UpstreamStatus {
  readonly name: string;
  readonly url: string;
  /** Whether it answered when it was last asked for its list, whatever it said; null before the first has been tried. */
  readonly up: boolean | null;
  /** True: it gave a list that is empty or much shorter than the last, which stays in force until the new one is accepted. */
  readonly held: boolean;
  readonly images: number;
  /** Seconds since its list was last confirmed; null if it never was. */
  readonly listAgeSeconds: number | null;
  /** ISO 8601: when that was. */
  readonly listConfirmedAt: string | null;
  readonly problem: string | null;
  /** `closed`: well; `open`: failing, others are asked first; `half-open`: it failed, and the next request tries it. */
  readonly breakers: { readonly list: BreakerWord; readonly file: BreakerWord };
}

type BreakerWord = 'closed' | 'half-open' | 'open';

export interface Traffic {
  /** Requests for files by how they were served. */
  readonly files: { readonly hit: number; readonly miss: number; readonly join: number; readonly pass: number };
  /** Body bytes of files sent to clients, and all pulled from upstreams. */
  readonly lanBytes: number;
  readonly wanBytes: number;
  /** Of those sent: in answers that the mirror then broke off. */
  readonly brokenBytes: number;
  /** Share of the others that did not cross the WAN, 0 to 1; null before the first byte. */
  readonly savedRatio: number | null;
}

export function createStatus(read: () => Promise<StatusFacts>): Operation<object, StatusResult> {
  return {
    async run() {
      const facts = await read();
      return { ...facts, condition: conditionOf(facts) };
    },
  };
}

/** A change of less than this is none, of what changes all the time on a disk that others use too. */
const FREE_STEP_BYTES = 64 * 2 ** 20;
const USED_STEP_BYTES = 2 ** 20;

/** Two of these are equal where nobody who watches would see a difference: all of the status but what time alone changes. */
export function watchedOf({ upstreams, storage, ...rest }: StatusResult): string {
  return JSON.stringify({
    ...rest,
    upstreams: upstreams.map((upstream) => ({ ...upstream, listAgeSeconds: null })),
    storage: {
      ...storage,
      freeBytes: Math.round(storage.freeBytes / FREE_STEP_BYTES),
      usedBytes: Math.round(storage.usedBytes / USED_STEP_BYTES),
    },
  });
}
