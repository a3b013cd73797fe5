/**
 * A span for each attempt at a file, and for each HTTP request to an upstream. Upstreams are told nothing of them: no
 * `traceparent` is sent.
 */
import type { HttpClient, HttpRequest } from '../upstream/http-client.ts';
import { reasonOf } from '../upstream/unavailable.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Lineage } from './lineage.ts';
import { ATTRIBUTE, type Span, type Tracing } from './tracing.ts';

export interface UpstreamSpansDeps {
  readonly tracing: Tracing;
  readonly lineage: Lineage;
}

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
      try {
        const answer = await lineage.within(requestId, span, async () => upstream.file(request));
        if (answer.kind === 'absent') {
          span.end('the upstream does not have it');
          return answer;
        }
        const { stream } = answer;
        return {
          kind: 'file',
          stream: {
            ...stream,
            body: followed(stream.body, span),
            cancel() {
              span.end();
              stream.cancel();
            },
          },
        };
      } catch (error) {
        fail(span, error);
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
    // Of an answer that nobody reads any more nothing else tells.
    const onAbort = (): void => span.end('given up');
    signal.addEventListener('abort', onAbort, { once: true });
    const end = (): void => signal.removeEventListener('abort', onAbort);
    try {
      const response = await http.get(request);
      const { status } = response;
      span.set({ [ATTRIBUTE.status]: status, ...(status >= 400 ? { [ATTRIBUTE.errorType]: String(status) } : {}) });
      const failure = status >= 400 ? `answered ${status}` : undefined;
      return {
        ...response,
        body: followed(response.body, span, failure, end),
        async discard() {
          end();
          span.end(failure);
          await response.discard();
        },
      };
    } catch (error) {
      end();
      fail(span, error);
      throw error;
    }
  }
  return { get, close: async () => http.close() };
}

/** The same body; its end, however it comes, is the span's. */
async function* followed(
  body: AsyncIterable<Buffer>,
  span: Span,
  failure?: string,
  onEnd: () => void = () => {},
): AsyncGenerator<Buffer> {
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      yield chunk;
    }
  } catch (error) {
    span.set({ [ATTRIBUTE.bytes]: bytes });
    fail(span, error);
    throw error;
  } finally {
    onEnd();
    span.set({ [ATTRIBUTE.bytes]: bytes });
    span.end(failure);
  }
}

function fail(span: Span, error: unknown): void {
  span.set({ [ATTRIBUTE.errorType]: reasonOf(error) });
  span.end(error instanceof Error ? error.message : String(error));
}
