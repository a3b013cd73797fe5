/** Which span goes under which: found by the id of the request, which every call to an upstream carries. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { LRUCache } from 'lru-cache';
import type { Span } from './tracing.ts';

export interface Lineage {
  /** The work that is done now for this request, else the request itself; undefined: it is nobody's. */
  parentOf(requestId: string): Span | undefined;
  /** This span is the request's from now on, also when it has ended: downloads outlive who asked for them. */
  adopt(requestId: string, span: Span): void;
  /** Does a piece of the request's work, under `span`. */
  within<T>(requestId: string, span: Span, work: () => T): T;
}

/** Requests are forgotten in the order in which they came; what is done for one of long ago begins a trace. */
const MAX_REQUESTS = 10_000;

export function createLineage(): Lineage {
  const requests = new LRUCache<string, Span>({ max: MAX_REQUESTS });
  const working = new AsyncLocalStorage<{ readonly requestId: string; readonly span: Span }>();
  return {
    parentOf(requestId) {
      const current = working.getStore();
      // What goes on in the background may have been begun by a request it has nothing to do with.
      return current?.requestId === requestId ? current.span : requests.get(requestId);
    },
    adopt: (requestId, span) => void requests.set(requestId, span),
    within: (requestId, span, work) => working.run({ requestId, span }, work),
  };
}
