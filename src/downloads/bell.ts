/** A change that any number of readers wait for: one promise for all of them, however often it rings. */
export interface Bell {
  /** Resolves at the next ring. To be taken anew after each, and what was waited for looked at again. */
  readonly rung: Promise<void>;
  readonly ring: () => void;
}

export function createBell(): Bell {
  let next = Promise.withResolvers<void>();
  return {
    get rung() {
      return next.promise;
    },
    ring() {
      const before = next;
      next = Promise.withResolvers<void>();
      before.resolve();
    },
  };
}
