/** Tracing that keeps its spans, for asserts. */
import type { Span, SpanAttributes, SpanOptions, Tracing } from '../../../src/tracing/tracing.ts';

export interface KeptSpan extends Span {
  readonly name: string;
  readonly kind: SpanOptions['kind'];
  readonly parent: SpanOptions['parent'];
  readonly attributes: SpanAttributes;
  readonly startedAtMs: number | undefined;
  /** How often it was ended. */
  readonly ends: number;
  /** Of the first end. */
  readonly failure: string | undefined;
}

export function createFakeTracing(): Tracing & { readonly spans: readonly KeptSpan[] } {
  const spans: KeptSpan[] = [];
  return {
    spans,
    begin(name, { kind, parent, attributes, startedAtMs }) {
      let ends = 0;
      let failure: string | undefined;
      const all = { ...attributes };
      const span: KeptSpan = {
        name,
        kind,
        parent,
        startedAtMs,
        attributes: all,
        get ends() {
          return ends;
        },
        get failure() {
          return failure;
        },
        set: (more) => void Object.assign(all, more),
        end(why) {
          if (ends === 0) failure = why;
          ends += 1;
        },
      };
      spans.push(span);
      return span;
    },
    close: async () => {},
  };
}
