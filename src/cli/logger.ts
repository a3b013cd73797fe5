/** The logger: JSON lines on standard output, or lines for people. */
import { pino, type DestinationStream } from 'pino';
import type { Log } from '../config/log.ts';
import type { Config } from '../config/schema.ts';
import type { Output } from './io.ts';
import { logError } from './log-error.ts';

export interface Logger {
  readonly log: Log;
  setLevel(level: Config['log']['level']): void;
}

/** Names under which a secret could reach a log line, at the top or one level down. */
const SECRET_KEYS = ['authorization', 'cookie', 'token', 'secret', 'password', 'headers'];

/**
 * A terminal always gets lines for people: nobody reads JSON there. The lines go through `stdout`, which outlives a disk
 * that is full: pino's own destination would try that again for ever, and the process with it.
 */
export async function createLogger(options: Config['log'], stdout: Output): Promise<Logger> {
  const isPretty = options.format === 'pretty' || stdout.isTerminal;
  const destination = isPretty ? await prettyDestination(stdout) : { write: (line: string) => stdout.write(line) };
  const log = pino(
    {
      level: options.level,
      redact: { paths: [...SECRET_KEYS, ...SECRET_KEYS.map((key) => `*.${key}`)], censor: '***' },
      serializers: { err: logError },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
  return {
    log,
    setLevel(level) {
      log.level = level;
    },
  };
}

/** Loaded only where it is wanted: a mirror that runs as a service starts without it. */
async function prettyDestination(stdout: Output): Promise<DestinationStream> {
  const { prettyFactory } = await import('pino-pretty');
  const format = prettyFactory({
    colorize: stdout.isTerminal,
    singleLine: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return { write: (line) => stdout.write(format(line)) };
}
