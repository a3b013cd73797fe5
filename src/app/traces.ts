/** What is put around the rooms so that they are traced without knowing it; nothing at all where no tracing is configured. */
import { createLineage } from '../tracing/lineage.ts';
import { createRequestSpans, type RequestSpans } from '../tracing/request-spans.ts';
import type { UpstreamSpansDeps } from '../tracing/upstream-spans.ts';
import type { AppDeps } from './deps.ts';

export interface Traces {
  readonly requests: RequestSpans;
  readonly upstreams: UpstreamSpansDeps;
}

export function createTraces({ tracing, now, monotonicNow }: AppDeps): Traces | undefined {
  if (tracing === undefined) return undefined;
  const lineage = createLineage();
  return {
    requests: createRequestSpans({ tracing, lineage, now, monotonicNow }),
    upstreams: { tracing, lineage },
  };
}
