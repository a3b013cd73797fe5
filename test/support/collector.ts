/** An OTLP/HTTP receiver on 127.0.0.1: keeps the spans it is sent, or misbehaves. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';

export interface ReceivedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Undefined: it begins a trace. */
  readonly parentSpanId: string | undefined;
  /** OTLP: 1 internal, 2 server, 3 client. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** What went wrong; undefined: nothing. */
  readonly failure: string | undefined;
  readonly seconds: number;
  /** Attributes of the process. */
  readonly resource: Readonly<Record<string, unknown>>;
}

export interface Collector extends AsyncDisposable {
  /** To be configured as `tracing.endpoint`. */
  readonly endpoint: string;
  readonly spans: readonly ReceivedSpan[];
  /** How many exports have come, whatever became of them. */
  readonly exports: number;
  /** Of the latest export. */
  readonly headers: IncomingHttpHeaders;
  /** From now on: the status it answers with, or `silent`, nothing at all. */
  behaviour: number | 'silent';
}

const PATH = '/v1/traces';

export async function startCollector(): Promise<Collector> {
  const spans: ReceivedSpan[] = [];
  let exports = 0;
  let headers: IncomingHttpHeaders = {};
  const server = createServer((request, response) => {
    exports += 1;
    ({ headers } = request);
    // The mirror may have let go of it.
    receive(request, response).catch(() => response.destroy());
  });
  async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await json(request);
    if (request.url !== PATH) response.writeHead(404).end();
    const { behaviour } = collector;
    if (behaviour === 'silent' || response.writableEnded) return;
    if (behaviour === 200) spans.push(...spansOf(body));
    response.writeHead(behaviour, { 'content-type': 'application/json' }).end('{}');
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const collector: Collector = {
    endpoint: `http://127.0.0.1:${port}${PATH}`,
    spans,
    get headers() {
      return headers;
    },
    get exports() {
      return exports;
    },
    behaviour: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return collector;
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

/** The OTLP message `ExportTraceServiceRequest`, as JSON: what of it is used. */
interface ExportRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly name: string;
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly kind: number;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes: readonly Attribute[];
        /** Code 2: an error. */
        readonly status: { readonly code: number; readonly message?: string };
      }[];
    }[];
  }[];
}

function spansOf(body: unknown): ReceivedSpan[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a test of something else would fail on it
  const { resourceSpans } = body as ExportRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap((scope) => scope.spans)
      .map(({ name, traceId, spanId, parentSpanId, kind, attributes, status, ...times }) => ({
        name,
        traceId,
        spanId,
        parentSpanId,
        kind,
        attributes: valuesOf(attributes),
        failure: status.code === 2 ? (status.message ?? '') : undefined,
        seconds: Number(BigInt(times.endTimeUnixNano) - BigInt(times.startTimeUnixNano)) / 1e9,
        resource: valuesOf(resource.attributes),
      })),
  );
}

/** `{ intValue: 200 }` and the like are what they hold. */
function valuesOf(attributes: readonly Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
