/**
 * Verdicts over files that are hashed behind the copying. A few may be outstanding, so that the copying of one file need not wait for
 * the hashing of the one before it.
 */
export interface Verdicts {
  /** Takes a verdict; resolves when few enough are outstanding. @throws what an earlier one was rejected with. */
  add(verdict: Promise<void>): Promise<void>;
  /** Resolves when all are good. @throws what the first bad one was rejected with. */
  settle(): Promise<void>;
  /** Resolves when none is outstanding any more, good or bad. */
  drain(): Promise<void>;
}

const MAX_OUTSTANDING = 2;

export function createVerdicts(): Verdicts {
  let outstanding: readonly Promise<void>[] = [];
  const settleTo = async (most: number): Promise<void> => {
    while (outstanding.length > most) {
      await outstanding[0];
      outstanding = outstanding.slice(1);
    }
  };
  return {
    async add(verdict) {
      // It is looked at later; until then it is no unhandled rejection.
      verdict.catch(() => {});
      outstanding = [...outstanding, verdict];
      await settleTo(MAX_OUTSTANDING);
    },
    settle: async () => settleTo(0),
    async drain() {
      await Promise.allSettled(outstanding);
    },
  };
}
