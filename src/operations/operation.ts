/** What all operations have in common. The command line, the API and the page call the same ones. */
import type { FieldSpecs } from './fields.ts';

/** Something that happened while an operation ran; a plain JSON object. `type` says what the other fields are. */
export interface OperationEvent {
  readonly type: string;
}

export interface OperationContext {
  /** Aborted when whoever asked does not want it any more. */
  readonly signal: AbortSignal;
  /** Told of progress. Never throws. */
  readonly onEvent: (event: OperationEvent) => void;
}

/** One verb. Its input and result are plain JSON objects. */
export interface Operation<Input, Result> {
  /** @throws MirrorError, with the fields named where the input is wrong. */
  run(input: Input, context: OperationContext): Promise<Result>;
}

/** How a verb is reached over HTTP, and what it takes. */
export interface VerbSpec {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Below `/_mirror/api/`; `:uuid` stands for an input field. */
  readonly path: string;
  readonly summary: string;
  readonly fields: FieldSpecs;
}
