/** A log that keeps its lines, for asserts. It takes what the product's Log takes: pino's `(fields, message)`. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface LogLine {
  readonly level: LogLevel;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

type LogMethod = (fields: object, message: string) => void;

export interface CaptureLog extends Readonly<Record<LogLevel, LogMethod>> {
  readonly lines: readonly LogLine[];
  /** The lines of one level, or those whose message matches. */
  linesOf(wanted: LogLevel | RegExp): LogLine[];
  /** Forgets the lines so far. */
  clear(): void;
}

export function createCaptureLog(): CaptureLog {
  const lines: LogLine[] = [];
  const keep =
    (level: LogLevel): LogMethod =>
    (fields, message) => {
      lines.push({ level, fields: { ...fields }, message });
    };
  return {
    lines,
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    linesOf: (wanted) =>
      lines.filter((line) => (typeof wanted === 'string' ? line.level === wanted : wanted.test(line.message))),
    clear: () => {
      lines.length = 0;
    },
  };
}
