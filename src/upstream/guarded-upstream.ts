/** What watches an upstream's health, and asks a sick one gently: put around its HTTP client and around itself. */
import type { HealthKind, UpstreamHealth } from './health.ts';
import type { HttpClient, HttpRequest, RequestKind } from './http-client.ts';
import { reasonOf } from './unavailable.ts';
import type { Upstream } from './upstream.ts';

/** A body that has brought this much was no failure, whatever becomes of it: transfers that progress are resumed. */
const WORTH_BYTES = 1024 * 1024;

/** An HTTP client that reports how every request went. What its caller gave up says nothing. */
export function watchHttpClient(http: HttpClient, health: UpstreamHealth): HttpClient {
  async function get(request: HttpRequest): ReturnType<HttpClient['get']> {
    // That it answers pings says nothing of its lists and files: a loop watch pings just where those hang.
    if (request.kind === 'ping') return http.get(request);
    const kind = healthKindOf(request.kind);
    const response = await http.get(request).catch((error: unknown) => {
      reportFailure(health, kind, error);
      throw error;
    });
    if (response.status >= 500) {
      health.report(kind, 'failed');
      return response;
    }
    return {
      ...response,
      body: watchedBody(response.body, kind, health),
      async discard() {
        health.report(kind, 'ok');
        await response.discard();
      },
    };
  }
  return { get, close: async () => http.close() };
}

/** An upstream whose look-ups, icons and files go through one shared probe while it is tripped. Lists have a pace of their own. */
export function guardUpstream(upstream: Upstream, health: UpstreamHealth): Upstream {
  return {
    ...upstream,
    manifest: async (request) => health.ask('list', request.signal, async () => upstream.manifest(request)),
    icon: async (request) => health.ask('list', request.signal, async () => upstream.icon(request)),
    file: async (request) => health.ask('file', request.signal, async () => upstream.file(request)),
  };
}

function healthKindOf(kind: RequestKind): HealthKind {
  return kind === 'file' ? 'file' : 'list';
}

function reportFailure(health: UpstreamHealth, kind: HealthKind, error: unknown): void {
  const reason = reasonOf(error);
  // Not a refusal or an answer that makes no sense: these are answers.
  if (reason === 'connect' || reason === 'timeout') health.report(kind, 'failed');
}

async function* watchedBody(
  body: AsyncIterable<Buffer>,
  kind: HealthKind,
  health: UpstreamHealth,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let isReported = false;
  try {
    for await (const chunk of body) {
      bytes += chunk.length;
      if (!isReported && bytes >= WORTH_BYTES) {
        isReported = true;
        health.report(kind, 'ok');
      }
      yield chunk;
    }
  } catch (error) {
    if (!isReported) reportFailure(health, kind, error);
    throw error;
  }
  if (!isReported) health.report(kind, 'ok');
}
