/** Whether the mirror can serve, and what is wrong with it: a disk that fails makes a mirror poorer, and not yet one that cannot serve. */
import { inTime } from './in-time.ts';

export interface Verdict {
  /** Stored files are served, and others fetched or passed through. */
  readonly ready: boolean;
  /** Sentences: why it is not ready, or what is wrong all the same; empty if nothing is. */
  readonly reasons: readonly string[];
}

export interface ReadinessDeps {
  /** The mirror has been told to stop. */
  readonly isStopping: () => boolean;
  /** Nobody may be asked: what cannot be read from disk cannot be passed through either. */
  readonly isOffline: boolean;
  /** Some list of images is there, be it an old one. */
  readonly hasList: () => boolean;
  /** Why there is none, for each upstream that can say. */
  readonly problems: () => readonly string[];
  /** Whether a manifest is kept, so that something is served without any list. Rejects where the disk cannot tell. */
  readonly hasKept: () => Promise<boolean>;
  /** Rejects where the cache directory cannot be written. */
  readonly probe: () => Promise<void>;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
}

export interface Readiness {
  /** Never rejects. From what was found lately; where that is older than `keptMs`, the disk is asked anew, and waited for no longer than `waitMs`. */
  readonly verdict: () => Promise<Verdict>;
  /**
   * The same for who cannot wait: after `mostMs` a disk that may still answer in time is as it was last found. Nothing but the first
   * question waits as long as a verdict.
   */
  readonly state: (mostMs: number) => Promise<{ readonly isReady: boolean; readonly isWritable: boolean }>;
}

/** What the disk has said. */
interface DiskAnswer {
  readonly has: 'answered' | 'hung';
  /** Undefined: it cannot be read. */
  readonly hasKept: boolean | undefined;
  readonly isWritable: boolean;
  readonly problem: string | undefined;
}

export function createReadiness(
  deps: ReadinessDeps,
  { keptMs = 3_000, waitMs = 500 }: { readonly keptMs?: number; readonly waitMs?: number } = {},
): Readiness {
  const { monotonicNow } = deps;
  let last: (DiskAnswer & { readonly atMs: number }) | undefined;
  let running: { readonly sinceMs: number; readonly end: Promise<void> } | undefined;

  async function askDisk(): Promise<DiskAnswer> {
    const [kept, written] = await Promise.allSettled([deps.hasKept(), deps.probe()]);
    // Where it cannot even be read, that it cannot be written either is no news.
    const problem = kept.status === 'rejected' ? messageOf(kept.reason) : undefined;
    return {
      has: 'answered',
      hasKept: kept.status === 'fulfilled' ? kept.value : undefined,
      isWritable: written.status === 'fulfilled',
      problem: problem ?? (written.status === 'rejected' ? messageOf(written.reason) : undefined),
    };
  }

  function look(): { readonly sinceMs: number; readonly end: Promise<void> } {
    return {
      sinceMs: monotonicNow(),
      end: (async () => {
        last = { ...(await askDisk()), atMs: monotonicNow() };
        running = undefined;
      })(),
    };
  }

  /** Within `mostMs`; at once where an earlier question has been waiting for longer than `waitMs`. */
  async function diskAnswer(mostMs: number): Promise<DiskAnswer> {
    if (last !== undefined && monotonicNow() - last.atMs < keptMs) return last;
    running ??= look();
    const asked = running;
    const leftMs = Math.min(last === undefined ? waitMs : mostMs, waitMs - (monotonicNow() - asked.sinceMs));
    if (leftMs > 0) await inTime(asked.end, leftMs, undefined);
    if (running !== asked && last !== undefined) return last;
    const askedForMs = monotonicNow() - asked.sinceMs;
    if (last !== undefined && mostMs < waitMs && askedForMs < waitMs) return last;
    // Not for how long: whoever watches would be told of something new each second.
    return { has: 'hung', hasKept: last?.hasKept, isWritable: false, problem: 'the cache directory does not answer' };
  }

  function judge({ has, hasKept, problem }: DiskAnswer): Verdict {
    const isStopping = deps.isStopping();
    const isEmpty = hasKept !== true && !deps.hasList();
    const isCutOff = hasKept === undefined && deps.isOffline;
    const reasons = [
      ...(isStopping ? ['the mirror is stopping'] : []),
      ...(problem === undefined ? [] : [problem]),
      ...(isEmpty && has === 'answered'
        ? [['no list of images has come yet, and nothing is kept from before', ...deps.problems()].join('; ')]
        : []),
    ];
    return { ready: !isStopping && has === 'answered' && !isEmpty && !isCutOff, reasons };
  }

  return {
    verdict: async () => judge(await diskAnswer(waitMs)),
    async state(mostMs) {
      const disk = await diskAnswer(mostMs);
      return { isReady: judge(disk).ready, isWritable: disk.isWritable };
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
