/** What is put around the rooms so that they are traced without knowing it; nothing at all where no tracing is configured. */
import { createLineage } from '../tracing/lineage.ts';
import { createRequestSpans, type RequestSpans } from '../tracing/request-spans.ts';
import { createTransferSpans, type TransferSpans } from '../tracing/transfer-spans.ts';
import type { UpstreamSpansDeps } from '../tracing/upstream-spans.ts';
import type { DownloadsDeps } from '../downloads/registry.ts';
import type { TransferEvents } from '../downloads/transfer-events.ts';
import type { AppDeps } from './deps.ts';

export interface Traces {
  readonly requests: RequestSpans;
  readonly transfers: TransferSpans;
  readonly upstreams: UpstreamSpansDeps;
}

export function createTraces({ tracing, now, monotonicNow }: AppDeps): Traces | undefined {
  if (tracing === undefined) return undefined;
  const lineage = createLineage();
  return {
    requests: createRequestSpans({ tracing, lineage, now, monotonicNow }),
    transfers: createTransferSpans({ tracing, lineage }),
    upstreams: { tracing, lineage },
  };
}

/** What the downloads room is told of those who watch its transfers. */
export function traceTransfers(
  traces: Traces | undefined,
  events: TransferEvents,
): Pick<DownloadsDeps, 'events' | 'around'> {
  if (traces === undefined) return { events };
  const { transfers } = traces;
  return { events: transfers.watch(events), around: transfers.around };
}
