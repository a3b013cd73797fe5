/** A span for each request of a client. */
import type { FastifyInstance } from 'fastify';
import type { RequestContext } from '../http/request-context.ts';
import type { FinishedRequest } from '../http/server.ts';
import type { Lineage } from './lineage.ts';
import { parseTraceparent } from './traceparent.ts';
import { ATTRIBUTE, type Span, type Tracing } from './tracing.ts';

export interface RequestSpansDeps {
  readonly tracing: Tracing;
  readonly lineage: Lineage;
  /** ms since the epoch. */
  readonly now: () => number;
  /** The clock of `RequestContext`, ms. */
  readonly monotonicNow: () => number;
}

export interface RequestSpans {
  /** Begins the span of every request that reaches a handler, below the span that its `traceparent` names. */
  watch(server: FastifyInstance): void;
  /** Ends it; one that was refused before has its span now. */
  onFinished(request: FinishedRequest, context: RequestContext): void;
}

export function createRequestSpans({ tracing, lineage, now, monotonicNow }: RequestSpansDeps): RequestSpans {
  const begun = new WeakMap<RequestContext, Span>();

  function begin(method: string, route: string, { requestId, startedAtMs, traceparent }: RequestContext): Span {
    return tracing.begin(`${method} ${route}`, {
      kind: 'server',
      attributes: { [ATTRIBUTE.method]: method, [ATTRIBUTE.route]: route, [ATTRIBUTE.requestId]: requestId },
      parent: parseTraceparent(traceparent),
      startedAtMs: now() - (monotonicNow() - startedAtMs),
    });
  }

  return {
    watch(server) {
      // With a callback: what is done in it, the handler, is done within.
      server.addHook('preHandler', (request, _reply, done) => {
        const { mirror, method, routeOptions } = request;
        const span = begin(method, routeOptions.config.name ?? 'none', mirror);
        begun.set(mirror, span);
        lineage.within({ requestId: mirror.requestId, span }, done);
      });
    },

    onFinished(request, context) {
      const { method, route, status, url, cache, bodyBytes, isAborted, isBroken } = request;
      const span = begun.get(context) ?? begin(method, route, context);
      span.set({
        [ATTRIBUTE.path]: url.replace(/\?.*$/s, ''),
        [ATTRIBUTE.bytes]: bodyBytes,
        ...(status === 0 ? {} : { [ATTRIBUTE.status]: status }),
        ...(cache === undefined ? {} : { [ATTRIBUTE.cache]: cache }),
        // A page that is closed is no error.
        ...(isAborted && !isBroken ? { [ATTRIBUTE.aborted]: true } : {}),
      });
      if (isBroken) span.end({ type: 'broken', message: 'the mirror broke the response off' });
      else span.end(status >= 500 ? { type: String(status), message: `answered ${status}` } : undefined);
    },
  };
}
