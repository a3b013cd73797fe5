/** Tracing that keeps its spans, for asserts. */
import {
  ATTRIBUTE,
  type Span,
  type SpanAttributes,
  type SpanOptions,
  type Tracing,
} from '../../../src/tracing/tracing.ts';

export interface KeptSpan extends Span {
  readonly name: string;
  readonly kind: SpanOptions['kind'];
  readonly parent: SpanOptions['parent'];
  /** With `error.type` of a failed one. */
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
      const all: Record<string, string | number | boolean> = { ...attributes };
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
        set(more) {
          if (ends === 0) Object.assign(all, more);
        },
        end(why) {
          ends += 1;
          if (ends > 1 || why === undefined) return;
          failure = why.message;
          all[ATTRIBUTE.errorType] = why.type;
        },
      };
      spans.push(span);
      return span;
    },
    close: async () => {},
  };
}
