/** The `traceparent` header (W3C Trace Context, section 3.2). PURE. */
import type { RemoteParent } from './tracing.ts';

/** Version ff is none; of a later version than 00 the same fields come first. */
const FIELDS = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(?:-.*)?$/;

/** The span it names; undefined where it names none. Its flags are not looked at: what is sampled is decided here. */
export function parseTraceparent(header: string | string[] | undefined): RemoteParent | undefined {
  const [, traceId = '', spanId = ''] = FIELDS.exec(typeof header === 'string' ? header : '') ?? [];
  return /[^0]/.test(traceId) && /[^0]/.test(spanId) ? { traceId, spanId } : undefined;
}
