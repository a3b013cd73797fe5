/** What a transfer is for: a client that waits, or the future. It decides who goes first, and changes while it runs. */

export type Priority = 'demand' | 'prefetch';

/** How urgent a running transfer is. A prefetch becomes a demand when a client joins it; never the other way round. */
export interface Urgency {
  readonly priority: Priority;
  /** `listener` runs once, in the turn of the upgrade. Never for what is a demand already. Returns what stops listening. */
  onUpgrade(listener: () => void): () => void;
}

export interface ChangingUrgency extends Urgency {
  /** A client waits for it from now on. */
  upgrade(): void;
}

/** Of everything a client has asked for by itself. */
export const DEMAND: Urgency = { priority: 'demand', onUpgrade: () => () => {} };

export function createUrgency(first: Priority): ChangingUrgency {
  let priority = first;
  const listeners = new Set<() => void>();
  return {
    get priority() {
      return priority;
    },
    onUpgrade(listener) {
      if (priority === 'demand') return () => {};
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    upgrade() {
      if (priority === 'demand') return;
      priority = 'demand';
      const all = [...listeners];
      listeners.clear();
      for (const listener of all) listener();
    },
  };
}
