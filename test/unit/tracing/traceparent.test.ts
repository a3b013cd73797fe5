import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTraceparent } from '../../../src/tracing/traceparent.ts';

// The examples of W3C Trace Context, section 3.2.
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

test('the span that a traceparent names, sampled or not, of this version or a later one', () => {
  for (const header of [`00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-00`, `cc-${TRACE}-${SPAN}-01-what-will-be`]) {
    assert.deepEqual(parseTraceparent(header), { traceId: TRACE, spanId: SPAN }, header);
  }
});

test('what is no traceparent names no span', () => {
  const zeros = '0'.repeat(32);
  for (const header of [
    undefined,
    '',
    [`00-${TRACE}-${SPAN}-01`],
    `ff-${TRACE}-${SPAN}-01`,
    `00-${zeros}-${SPAN}-01`,
    `00-${TRACE}-${zeros.slice(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}`,
    `00-${TRACE}${SPAN}-01`,
    ` 00-${TRACE}-${SPAN}-01`,
  ]) {
    assert.equal(parseTraceparent(header), undefined, String(header));
  }
});
