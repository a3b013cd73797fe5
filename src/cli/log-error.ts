/** How an error is written in the log: evidence where it was thrown on purpose, a stack where it was not. PURE. */
import { pino } from 'pino';
import { MirrorError } from '../imgapi/errors.ts';

/** Of an abort: somebody has left, or the mirror stops. `TimeoutError` is one that time has brought about. */
const ABORTS: ReadonlySet<string> = new Set(['AbortError', 'TimeoutError']);
/** Causes of causes are written up to this depth. */
const MAX_CAUSES = 4;

/** The value of a line's `err`. What is no error is left as it is. */
export function logError(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { message, name: type } = value;
  if (value instanceof MirrorError) {
    const { code, details } = value;
    const evidence = Object.keys(details).length === 0 ? {} : { details };
    const cause = causeOf(value);
    return { type, code, message, ...evidence, ...(cause === '' ? {} : { cause }) };
  }
  return ABORTS.has(type) ? { type, message } : pino.stdSerializers.err(value);
}

/** What its causes say that it does not say itself. */
function causeOf(error: Error): string {
  let said = error.message;
  const added: string[] = [];
  let { cause } = error;
  for (let depth = 0; cause instanceof Error && depth < MAX_CAUSES; depth++) {
    if (!said.includes(cause.message)) {
      added.push(cause.message);
      said += cause.message;
    }
    ({ cause } = cause);
  }
  return added.join(': ');
}
