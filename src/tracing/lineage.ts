/**
 * Which span goes under which. Whatever a piece of work begins inherits it: ids of requests are the clients', and two
 * requests may have the same.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Span } from './tracing.ts';

/** A piece of work that has a span. */
export interface Work {
  /** The request it is done for: what its calls to upstreams carry. */
  readonly requestId: string;
  readonly span: Span;
  /** The attempt at a file that runs now, of those it makes one after the other. */
  attempt?: Span;
}

export interface Lineage {
  /** The work that asks; undefined: none that has a span. */
  current(): Work | undefined;
  /** The span of the work that asks, where it asks for this request; undefined: what is done now is nobody's. */
  parentOf(requestId: string): Span | undefined;
  /** Does a piece of work: all that it begins goes under its span, also what goes on when that has ended. */
  within<T>(work: Work, task: () => T): T;
}

export function createLineage(): Lineage {
  const working = new AsyncLocalStorage<Work>();
  return {
    current: () => working.getStore(),
    parentOf(requestId) {
      const current = working.getStore();
      // What goes on in the background has ids of its own, and may have been begun by a request it has nothing to do with.
      return current?.requestId === requestId ? current.span : undefined;
    },
    within: (work, task) => working.run(work, task),
  };
}
