/** The process itself: arguments, environment, streams, signals, exit code. The only file that touches `process`. */
import { EXIT, type CommandIo, type Output, type Signal } from './cli/io.ts';
import { runCli } from './cli/run.ts';
import { escape } from './config/problem.ts';
import { PRODUCT } from './config/product.ts';

/** After a command has ended and its output is read, what it left open has this long to close by itself. */
const LINGER_MS = 5000;

/** A mirror must not die, nor stay up, for the sake of whoever reads its output; a command is run for that. */
const isMirror = process.argv[2] === 'serve';

/** Who is told of signals. */
const handlers = new Set<(signal: Signal) => void>();

process.on('uncaughtException', die);
try {
  const code = await runCli(commandIo());
  // Output that could not be written may have made it a failure already.
  process.exitCode ??= code;
  if (!isMirror) await Promise.all([process.stdout, process.stderr].map(flushed));
  // Unreferenced, so that it delays nothing: it fires only if something else keeps the process up.
  setTimeout(() => process.exit(), LINGER_MS).unref();
} catch (error) {
  die(error);
}

function commandIo(): CommandIo {
  return {
    args: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdout: output(process.stdout),
    stderr: output(process.stderr),
    pid: process.pid,
    nodeVersion: process.versions.node,
    onSignal(handler) {
      const signals: readonly Signal[] = ['SIGTERM', 'SIGINT', 'SIGHUP'];
      for (const signal of signals) process.on(signal, handler);
      handlers.add(handler);
      return () => {
        for (const signal of signals) process.off(signal, handler);
        handlers.delete(handler);
      };
    },
    forceExit: (code) => process.exit(code),
  };
}

/** Resolves once everything written so far has been read, or cannot be any more. A slow reader is waited for, however slow. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => void stream.write('', () => resolve()));
}

function output(stream: NodeJS.WriteStream): Output {
  let hasFailed = false;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that left (`| head`) has had all it wanted; any other failure, such as a full disk, has lost output and shows in the exit code.
    const isReaderGone = error.code === 'EPIPE';
    if (!isReaderGone) process.exitCode = EXIT.failed;
    if (hasFailed || stream !== process.stdout) return;
    hasFailed = true;
    if (!isReaderGone) process.stderr.write(`${PRODUCT.name}: standard output: ${escape(error.message)}\n`);
    // A mirror does not heed this one. A command has nothing left to do.
    for (const handler of handlers) handler('SIGPIPE');
    if (handlers.size === 0 && !isMirror) process.exit(process.exitCode || EXIT.readerGone);
  });
  return {
    write: (text) => void stream.write(text),
    isTerminal: stream.isTTY,
    get columns() {
      // A terminal that does not know its size says 0.
      return stream.columns > 0 ? stream.columns : 80;
    },
  };
}

/** One line, whatever went wrong; where it went wrong only for those who asked for debug output. */
function die(error: unknown): never {
  const flag = /--log-level[ =](\w+)/.exec(process.argv.join(' '))?.[1];
  const level = flag ?? process.env['IMGAPI_MIRROR_LOG_LEVEL'];
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${PRODUCT.name}: ${escape(message === '' ? 'an error without a message' : message)}\n`);
  if ((level === 'debug' || level === 'trace') && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  process.exit(EXIT.failed);
}
