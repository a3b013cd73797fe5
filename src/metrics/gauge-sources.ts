/** What the gauges are read from, at every scrape. */
import type { REFRESH_RESULTS } from '../catalog/feed.ts';

export interface Gauges {
  readonly readiness: () => Promise<{ readonly isReady: boolean; readonly isWritable: boolean }>;
  readonly downloads: () => { readonly running: number; readonly followers: number; readonly passing: number };
  readonly storage: () => Promise<{
    readonly blobs: number;
    readonly bytes: number;
    /** null: no limit. */
    readonly maxBytes: number | null;
    readonly minFreeBytes: number;
    readonly freeBytes: number;
    readonly reservedBytes: number;
    /** These four are NaN where the disk cannot tell. */
    readonly usedBytes: number;
    readonly partialBytes: number;
    readonly quarantinedFiles: number;
    readonly quarantinedBytes: number;
    /** undefined: never yet. */
    readonly evictionRanAtMs: number | undefined;
  }>;
  readonly scrub: () => {
    /** A blob is being read again. */
    readonly isReading: boolean;
    /** `cache.scrubEvery` in force; 0: only on demand. */
    readonly everyMs: number;
    /** undefined: never yet. */
    readonly succeededAtMs: number | undefined;
  };
  /** Remembered absences in force. */
  readonly negatives: () => number;
  readonly breakers: () => readonly {
    readonly upstream: string;
    readonly kind: string;
    readonly state: 'closed' | 'half-open' | 'open';
  }[];
  /** Since the start. */
  readonly prefetch: () => {
    /** By who began them. */
    readonly runs: Readonly<Record<string, Readonly<Record<string, number>>>>;
    readonly images: Readonly<Record<string, number>>;
    /** Configured entries whose last run failed. */
    readonly failing: number;
    /** How many times in a row the hours of one of them have ended before it was through; of several the most. */
    readonly unfinished: number;
    /** undefined: no run has ended well yet. */
    readonly succeededAtMs: number | undefined;
  };
  readonly bandwidths: () => readonly {
    readonly upstream: string;
    /** Bytes per second in force; undefined: no limit. */
    readonly limit: number | undefined;
    readonly throttledSeconds: number;
  }[];
  /** When the certificate that clients are shown ends, ms since the epoch; undefined: no HTTPS. */
  readonly certificateExpiresAtMs: () => number | undefined;
  readonly catalog: () => {
    /** `catalog.refreshEvery` in force. */
    readonly refreshEveryMs: number;
    readonly images: number;
    readonly conflicts: number;
    readonly upstreams: readonly {
      readonly upstream: string;
      readonly images: number;
      /** Whether it answered when it was last asked for its list; undefined: nobody has asked it. */
      readonly isUp: boolean | undefined;
      /** Its newest list was not taken: it was empty or had shrunk. */
      readonly isHeld: boolean;
      /** Since its list was last confirmed; undefined if it never was. */
      readonly ageSeconds: number | undefined;
      readonly dropped: number;
      readonly refreshes: Readonly<Record<(typeof REFRESH_RESULTS)[number], number>>;
    }[];
  };
}
