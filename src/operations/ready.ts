/** Whether the mirror can serve, and why not. */

export interface Verdict {
  readonly ready: boolean;
  /** Sentences; empty if it is ready. */
  readonly reasons: readonly string[];
}

export interface ReadinessDeps {
  /** The mirror has been told to stop. */
  readonly isStopping: () => boolean;
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
}

/** What the disk has said. */
interface DiskAnswer {
  readonly hasKept: boolean;
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
    try {
      const [hasKept] = await Promise.all([deps.hasKept(), deps.probe()]);
      return { hasKept, problem: undefined };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { hasKept: false, problem: `the cache directory cannot be used: ${why}` };
    }
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

  /** Within `waitMs`; at once where an earlier question has been waiting for longer than that. */
  async function diskAnswer(): Promise<DiskAnswer> {
    if (last !== undefined && monotonicNow() - last.atMs < keptMs) return last;
    running ??= look();
    const { sinceMs, end } = running;
    const leftMs = waitMs - (monotonicNow() - sinceMs);
    let timer: NodeJS.Timeout | undefined;
    if (leftMs > 0) {
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, leftMs)));
      await Promise.race([end, late]);
      clearTimeout(timer);
    }
    if (running === undefined && last !== undefined) return last;
    const seconds = Math.ceil((monotonicNow() - sinceMs) / 1000);
    return { hasKept: last?.hasKept ?? false, problem: `the cache directory has not answered for ${seconds} s` };
  }

  return {
    async verdict() {
      const { hasKept, problem } = await diskAnswer();
      const reasons: string[] = [];
      if (deps.isStopping()) reasons.push('the mirror is stopping');
      if (problem !== undefined) reasons.push(problem);
      else if (!hasKept && !deps.hasList()) {
        reasons.push(
          ['no list of images has come yet, and nothing is kept from before', ...deps.problems()].join('; '),
        );
      }
      return { ready: reasons.length === 0, reasons };
    },
  };
}
