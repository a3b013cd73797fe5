/** What the mirror knows of one request beside what fastify does; on `request.mirror`. */
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';

/** `X-Cache` of an answer; undefined where it says nothing (errors, ping). */
export type CacheResult = 'HIT' | 'MISS' | 'JOIN' | 'STALE' | 'PASS';

export interface RequestContext {
  /** The client's request id if it is a plain uuid, else ours. It goes upstream too. */
  readonly requestId: ImageUuid;
  readonly startedAtMs: number;
  /** The client's `traceparent` header, unchecked. */
  readonly traceparent: string | string[] | undefined;
  cache: CacheResult | undefined;
  /** True if it was answered with a 5xx that the mirror is meant to answer. */
  isMeant: boolean;
  /** True if the answer began well and the mirror broke it off, for what went wrong here or upstream. */
  isBroken: boolean;
  /** Body bytes handed to the socket, those of a running answer too. */
  readonly bodyBytes: number;
  /** Counts more of them. */
  sent(bytes: number): void;
  /** When the body's first byte was handed over, ms on the same clock. */
  firstByteAtMs: number | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    mirror: RequestContext;
  }
}

/**
 * The id of a request: `request-id` or `x-request-id` where it is a plain uuid (an importing IMGAPI uses it in a file
 * name), else a fresh one.
 */
export function requestIdOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  fresh: () => ImageUuid,
): ImageUuid {
  for (const name of ['request-id', 'x-request-id']) {
    const value = headers[name];
    if (isImageUuid(value)) return value;
  }
  return fresh();
}
