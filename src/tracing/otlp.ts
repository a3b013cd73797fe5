/**
 * Traces over OTLP/HTTP, with OpenTelemetry. The only file that imports it, and itself only imported where an endpoint is
 * configured: loading it costs a start more than everything else.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ROOT_CONTEXT,
  SpanKind as ApiSpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span as ApiSpan,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import type { Log } from '../config/log.ts';
import {
  ATTRIBUTE,
  type RemoteParent,
  type Span,
  type SpanAttributes,
  type SpanFailure,
  type SpanKind,
  type SpanOptions,
  type Tracing,
} from './tracing.ts';

export interface OtlpOptions {
  /** Where spans are POSTed, such as `http://collector:4318/v1/traces`; without a path it is that one. */
  readonly endpoint: string;
  /** 1 to 100. */
  readonly samplePercent: number;
  readonly serviceName: string;
  readonly serviceVersion: string;
  readonly hostname: string;
  /** Between two exports, ms. Default 5,000. */
  readonly exportEveryMs?: number;
  /** For one export, ms. Default 5,000. */
  readonly exportTimeoutMs?: number;
  /** For what is left at the end, ms. Default 3,000. */
  readonly closeTimeoutMs?: number;
  /** Spans that wait for an export; more are dropped. Default 2048. */
  readonly maxQueued?: number;
}

const KINDS: Readonly<Record<SpanKind, ApiSpanKind>> = {
  server: ApiSpanKind.SERVER,
  client: ApiSpanKind.CLIENT,
  internal: ApiSpanKind.INTERNAL,
};
/** Spans in one export. */
const BATCH = 512;
/** Error messages and paths are cut to this. */
const MAX_TEXT = 1024;
export function createOtlpTracing({ log }: { readonly log: Log }, options: OtlpOptions): Tracing {
  const { endpoint, exportTimeoutMs = 5_000, closeTimeoutMs = 3_000, maxQueued = 2048 } = options;
  const batch = Math.min(BATCH, maxQueued);
  // Ours, so that it can be destroyed under an export that nobody waits for any more.
  const agent = new (endpoint.startsWith('https:') ? HttpsAgent : HttpAgent)({ keepAlive: true });
  const exporter = new OTLPTraceExporter({
    url: tracesUrl(endpoint),
    timeoutMillis: exportTimeoutMs,
    // At the end all that is queued is sent at once, beside what is on its way.
    concurrencyLimit: Math.ceil(maxQueued / batch) + 1,
    httpAgentOptions: () => agent,
  });
  const telling = tellingFailures(exporter, log, endpoint);
  const processor = new BatchSpanProcessor(telling, {
    maxQueueSize: maxQueued,
    maxExportBatchSize: batch,
    scheduledDelayMillis: options.exportEveryMs ?? 5_000,
    exportTimeoutMillis: exportTimeoutMs,
  });
  const ratio = new TraceIdRatioBasedSampler(options.samplePercent / 100);
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: options.serviceName,
      [ATTR_SERVICE_VERSION]: options.serviceVersion,
      'host.name': options.hostname,
    }),
    // Below a client's span as well it is ours to say what is sampled.
    sampler: new ParentBasedSampler({ root: ratio, remoteParentSampled: ratio, remoteParentNotSampled: ratio }),
    spanLimits: { attributeValueLengthLimit: MAX_TEXT },
    spanProcessors: [processor],
  });
  const tracer = provider.getTracer(options.serviceName, options.serviceVersion);

  return {
    begin(name, { kind, attributes, parent, startedAtMs }: SpanOptions) {
      const more = startedAtMs === undefined ? {} : { startTime: startedAtMs };
      return new OtlpSpan(tracer.startSpan(name, { kind: KINDS[kind], attributes, ...more }, contextOf(parent)));
    },
    async close() {
      const late = new AbortController();
      // What cannot be sent is said where it is tried; nothing more can be done about it.
      const flushed = provider.shutdown().catch(() => {});
      await Promise.race([flushed, sleep(closeTimeoutMs, undefined, { signal: late.signal }).catch(() => {})]);
      late.abort();
      telling.giveUp();
      // What is on its way the exporter would try again, for seconds in which the process could not end.
      agent.createConnection = () => {
        throw new Error('traces are sent no more');
      };
      agent.destroy();
    },
  };
}

/** A span of ours as OpenTelemetry has it. */
class OtlpSpan implements Span {
  readonly #span: ApiSpan;

  constructor(span: ApiSpan) {
    this.#span = span;
  }

  /** What goes under it. */
  get context(): Context {
    return trace.setSpanContext(ROOT_CONTEXT, this.#span.spanContext());
  }

  set(attributes: SpanAttributes): void {
    if (this.#span.isRecording()) this.#span.setAttributes(attributes);
  }

  end(failure?: SpanFailure): void {
    // It warns of a second end.
    if (!this.#span.isRecording()) return;
    if (failure !== undefined) {
      this.#span.setAttribute(ATTRIBUTE.errorType, failure.type);
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message.slice(0, MAX_TEXT) });
    }
    this.#span.end();
  }
}

function contextOf(parent: Span | RemoteParent | undefined): Context {
  if (parent instanceof OtlpSpan) return parent.context;
  if (parent === undefined || !('traceId' in parent)) return ROOT_CONTEXT;
  return trace.setSpanContext(ROOT_CONTEXT, { ...parent, traceFlags: TraceFlags.NONE, isRemote: true });
}

/** The path that OTLP/HTTP has for traces (OTLP specification, section "OTLP/HTTP Request"), where none is given. */
function tracesUrl(endpoint: string): string {
  return new URL(endpoint).pathname === '/' ? new URL('/v1/traces', endpoint).href : endpoint;
}

interface TellingExporter extends SpanExporter {
  /** Says how many spans are on their way still and will not arrive, and nothing more from now on. */
  giveUp(): void;
}

/** Says once that exports fail, and once that they go again. */
function tellingFailures(exporter: SpanExporter, log: Log, endpoint: string): TellingExporter {
  let isFailing = false;
  let onTheirWay = 0;
  let isGivenUp = false;
  return {
    export(spans, onResult) {
      onTheirWay += spans.length;
      exporter.export(spans, (result) => {
        const { error } = result;
        onTheirWay -= spans.length;
        if (isGivenUp) {
          onResult(result);
          return;
        }
        if (error !== undefined && !isFailing) log.warn({ err: error, endpoint }, 'traces cannot be sent');
        if (error === undefined && isFailing) log.info({ endpoint }, 'traces are sent again');
        isFailing = error !== undefined;
        onResult(result);
      });
    },
    shutdown: async () => exporter.shutdown(),
    giveUp() {
      isGivenUp = true;
      if (onTheirWay > 0) log.warn({ endpoint, spans: onTheirWay }, 'the last traces could not be sent');
    },
  };
}
