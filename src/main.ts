/** The process itself: arguments, environment, streams, signals, exit code. The only file that touches `process`. */
import { runCli } from './cli/run.ts';
import { EXIT, type CommandIo, type Output, type Signal } from './cli/io.ts';
import { escape } from './config/problem.ts';
import { PRODUCT } from './config/product.ts';

/** After a command has ended, what it left open has this long to close by itself. */
const LINGER_MS = 5000;

function output(stream: NodeJS.WriteStream): Output {
  // The reader may leave first (`| head`). There is nobody left to tell, and a mirror must not die of it.
  stream.on('error', () => undefined);
  return { write: (text) => void stream.write(text), isTerminal: stream.isTTY };
}

const io: CommandIo = {
  args: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdout: output(process.stdout),
  stderr: output(process.stderr),
  pid: process.pid,
  onSignal(handler) {
    const signals: readonly Signal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
    for (const signal of signals) process.on(signal, handler);
    return () => {
      for (const signal of signals) process.off(signal, handler);
    };
  },
  forceExit: (code) => process.exit(code),
};

/** One line, whatever went wrong; where it went wrong only for those who asked for debug output. */
function die(error: unknown): never {
  const level = io.args.join(' ').match(/--log-level[ =](\w+)/)?.[1] ?? io.env['IMGAPI_MIRROR_LOG_LEVEL'];
  const isDebug = level === 'debug' || level === 'trace';
  const message = error instanceof Error ? error.message : String(error);
  const stack = isDebug && error instanceof Error ? `${error.stack}\n` : '';
  process.stderr.write(`${PRODUCT.name}: ${escape(message === '' ? 'an error without a message' : message)}\n${stack}`);
  process.exit(EXIT.failed);
}

process.on('uncaughtException', die);
try {
  process.exitCode = await runCli(io);
  // Unreferenced, so that it delays nothing: it fires only if something else keeps the process up.
  setTimeout(() => process.exit(), LINGER_MS).unref();
} catch (error) {
  die(error);
}
