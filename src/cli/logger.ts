/** The logger: JSON lines on standard output, or lines for people. */
import { pino } from 'pino';
import type { PrettyStream } from 'pino-pretty';
import type { Log } from '../config/log.ts';
import type { Config } from '../config/schema.ts';

export interface Logger {
  readonly log: Log;
  setLevel(level: Config['log']['level']): void;
  /** Writes what is buffered; call it last. */
  flush(): void;
}

/** Names under which a secret could reach a log line, at the top or one level down. */
const SECRET_KEYS = ['authorization', 'cookie', 'token', 'secret', 'password', 'headers'];

/** A terminal always gets lines for people: nobody reads JSON there. */
export async function createLogger(options: Config['log'], isTerminal: boolean): Promise<Logger> {
  const isPretty = options.format === 'pretty' || isTerminal;
  const stdout = 1;
  const destination = isPretty
    ? await prettyDestination(stdout, isTerminal)
    : pino.destination({ dest: stdout, sync: false });
  const log = pino(
    {
      level: options.level,
      redact: { paths: [...SECRET_KEYS, ...SECRET_KEYS.map((key) => `*.${key}`)], censor: '***' },
      timestamp: pino.stdTimeFunctions.isoTime,
    },
    destination,
  );
  return {
    log,
    setLevel(level) {
      log.level = level;
    },
    flush() {
      // Throws where nothing was ever written, or the reader is gone: there is nothing left to lose then.
      try {
        if ('flushSync' in destination) destination.flushSync();
      } catch {
        return;
      }
    },
  };
}

/** Loaded only where it is wanted: a mirror that runs as a service starts without it. */
async function prettyDestination(stdout: number, isTerminal: boolean): Promise<PrettyStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({
    destination: stdout,
    colorize: isTerminal,
    singleLine: true,
    ignore: 'pid,hostname',
    translateTime: 'SYS:HH:MM:ss.l',
  });
}
