/**
 * What the mirror asks of whatever records its traces. Nothing of OpenTelemetry is named here: a mirror that traces
 * nothing loads none of it (see otlp.ts).
 */

export type SpanKind = 'server' | 'client' | 'internal';

export type SpanAttributes = Readonly<Record<string, string | number | boolean>>;

/** A piece of work, from its beginning to its end. */
export interface Span {
  set(attributes: SpanAttributes): void;
  /** Only the first end counts. `failure`: it went wrong. */
  end(failure?: SpanFailure): void;
}

export interface SpanFailure {
  /** The class of failures it is one of: `error.type`. */
  readonly type: string;
  /** What happened; no secrets. */
  readonly message: string;
}

/** A span of another process that ours goes under. */
export interface RemoteParent {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
}

export interface SpanOptions {
  readonly kind: SpanKind;
  readonly attributes: SpanAttributes;
  /** Undefined: it begins a trace. */
  readonly parent: Span | RemoteParent | undefined;
  /** ms since the epoch. Default: now. */
  readonly startedAtMs?: number;
}

export interface Tracing {
  begin(name: string, options: SpanOptions): Span;
  /** Sends what has ended, within a deadline, and stops. Never rejects. */
  close(): Promise<void>;
}

/** The names of attributes: where OpenTelemetry has one its own, else ours. */
export const ATTRIBUTE = {
  method: 'http.request.method',
  status: 'http.response.status_code',
  path: 'url.path',
  /** Why something failed: a class of failures, not a message. Set by `Span.end`. */
  errorType: 'error.type',
  /** True: it was given up, which is no failure of its own: who wanted it has left or wants no more, or the mirror stops. */
  aborted: 'imgapi_mirror.aborted',
  /** Body bytes, as sent or received. */
  bytes: 'imgapi_mirror.body_bytes',
  /** The name in logs and metrics, such as `file`. */
  route: 'imgapi_mirror.route',
  requestId: 'imgapi_mirror.request_id',
  /** `X-Cache`, such as `HIT`. */
  cache: 'imgapi_mirror.cache',
  upstream: 'imgapi_mirror.upstream',
  /** What an upstream was asked for, as in metrics. */
  kind: 'imgapi_mirror.kind',
  image: 'imgapi_mirror.image',
  fileIndex: 'imgapi_mirror.file_index',
  sha1: 'imgapi_mirror.sha1',
  /** The file's, in bytes. */
  size: 'imgapi_mirror.size',
  /** How a download or a pass-through ended, such as `stored` or `mismatch`. */
  result: 'imgapi_mirror.result',
  /** The byte a download attempt went on from. */
  offset: 'imgapi_mirror.offset',
} as const;
