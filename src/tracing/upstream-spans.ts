/**
 * A span for each attempt at a file, and for each HTTP request to an upstream. Upstreams are told nothing of them: no
 * `traceparent` is sent.
 */
import type { HttpClient, HttpRequest, RequestKind } from '../upstream/http-client.ts';
import { reasonOf } from '../upstream/unavailable.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Lineage } from './lineage.ts';
import { ATTRIBUTE, type Span, type SpanFailure, type Tracing } from './tracing.ts';

export interface UpstreamSpansDeps {
  readonly tracing: Tracing;
  readonly lineage: Lineage;
}

/**
 * Refusals that answer the question asked: the upstream has no channels, no such image or no icon. OpenTelemetry's convention for
 * HTTP clients makes each 4xx an error, but for who knows better what was asked; without this a mirror of an upstream without
 * channels would be taken for failing at each refresh. A file is asked for only where a manifest has it: its absence is one.
 */
const ABSENCES: Readonly<Partial<Record<RequestKind, readonly number[]>>> = {
  channels: [404],
  manifest: [404, 410],
  icon: [404, 410],
};

/** An upstream whose every file request is an attempt with a span: from asking to the last byte, or until it is let go. */
export function traceAttempts(upstream: Upstream, { tracing, lineage }: UpstreamSpansDeps): Upstream {
  return {
    ...upstream,
    async file(request) {
      const { requestId, uuid, index, offset } = request;
      const span = tracing.begin(`attempt ${upstream.name}`, {
        kind: 'internal',
        attributes: {
          [ATTRIBUTE.requestId]: requestId,
          [ATTRIBUTE.upstream]: upstream.name,
          [ATTRIBUTE.image]: uuid,
          [ATTRIBUTE.fileIndex]: index,
          [ATTRIBUTE.offset]: offset,
        },
        parent: lineage.parentOf(requestId),
      });
      const work = lineage.current();
      if (work !== undefined) work.attempt = span;
      try {
        const answer = await lineage.within({ requestId, span }, async () => upstream.file(request));
        if (answer.kind === 'absent') {
          span.end({ type: 'absent', message: 'the upstream does not have it' });
          return answer;
        }
        const { stream } = answer;
        return {
          kind: 'file',
          stream: {
            ...stream,
            body: followed(stream.body, span, request),
            cancel() {
              // After its end this tells nothing.
              giveUp(span);
              stream.cancel();
            },
          },
        };
      } catch (error) {
        fail(span, error, request);
        throw error;
      }
    },
  };
}

/** An HTTP client whose every request has a span, until its body has ended, was thrown away or given up. */
export function traceHttpClient(
  http: HttpClient,
  upstream: string,
  { tracing, lineage }: UpstreamSpansDeps,
): HttpClient {
  async function get(request: HttpRequest): ReturnType<HttpClient['get']> {
    const { kind, path, headers, signal } = request;
    const requestId = headers['x-request-id'] ?? '';
    const span = tracing.begin(`GET ${kind}`, {
      kind: 'client',
      attributes: {
        [ATTRIBUTE.method]: 'GET',
        [ATTRIBUTE.path]: path.replace(/\?.*$/s, ''),
        [ATTRIBUTE.requestId]: requestId,
        [ATTRIBUTE.upstream]: upstream,
        [ATTRIBUTE.kind]: kind,
      },
      parent: lineage.parentOf(requestId),
    });
    let refusal: SpanFailure | undefined;
    // Of an answer that nobody reads any more nothing else tells.
    const onAbort = (): void => {
      if (refusal !== undefined) span.end(refusal);
      else if (isTimeout(signal.reason)) span.end({ type: 'timeout', message: 'did not answer in time' });
      else giveUp(span);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const end = (): void => signal.removeEventListener('abort', onAbort);
    try {
      const response = await http.get(request);
      const { status } = response;
      span.set({ [ATTRIBUTE.status]: status });
      const isRefused = status >= 400 && ABSENCES[kind]?.includes(status) !== true;
      if (isRefused) refusal = { type: String(status), message: `answered ${status}` };
      return {
        ...response,
        body: followed(response.body, span, request, refusal, end),
        async discard() {
          end();
          span.end(refusal);
          await response.discard();
        },
      };
    } catch (error) {
      end();
      fail(span, error, request);
      throw error;
    }
  }
  return { get, close: async () => http.close() };
}

/** The same body; its end, however it comes, is the span's. */
async function* followed(
  body: AsyncIterable<Buffer>,
  span: Span,
  request: Pick<HttpRequest, 'signal'>,
  failure?: SpanFailure,
  onEnd: () => void = () => {},
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let isWhole = false;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      yield chunk;
    }
    isWhole = true;
  } catch (error) {
    span.set({ [ATTRIBUTE.bytes]: bytes });
    fail(span, error, request);
    throw error;
  } finally {
    onEnd();
    span.set({ [ATTRIBUTE.bytes]: bytes });
    // Who reads it has left before its end: `cancel` comes only after this.
    if (isWhole || failure !== undefined) span.end(failure);
    else giveUp(span);
  }
}

/** As `AbortSignal.timeout` gives it. */
function isTimeout(reason: unknown): boolean {
  return reason instanceof Error && reason.name === 'TimeoutError';
}

/** What nobody wants any more has not failed. */
function giveUp(span: Span): void {
  span.set({ [ATTRIBUTE.aborted]: true });
  span.end();
}

function fail(span: Span, error: unknown, { signal }: Pick<HttpRequest, 'signal'>): void {
  const type = reasonOf(error);
  // What fails when its caller has given it up fails for that, and with whatever reason the caller gave.
  const isGivenUp = signal.aborted && !isTimeout(signal.reason);
  if (isGivenUp || type === 'aborted') giveUp(span);
  else span.end({ type, message: error instanceof Error ? error.message : String(error) });
}
