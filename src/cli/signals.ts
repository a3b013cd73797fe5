/** What the process was asked to do by signals: stop, stop at once, read the configuration again. */
import { EXIT, type CommandIo, type Signal } from './io.ts';

export interface Signals {
  /** Resolves with the first SIGTERM or SIGINT. A second one ends the process at once. */
  readonly stopAsked: Promise<Signal>;
  /** Aborts at the same moment. */
  readonly stopped: AbortSignal;
  /** True where it was not a person but the end of standard output's reader. */
  readonly isReaderGone: boolean;
  /** Runs `reload` at every SIGHUP from here on, and now if one has come before. Not after a stop was asked for. */
  onReload(reload: () => void): void;
  /** Gives the signals back to their default. */
  release(): void;
}

/**
 * Takes the signals over. As early as can be: without a handler, process 1 of a container does not hear them at all.
 * @param options `endsWithReader`: stops when nobody reads standard output any more (default false: a mirror serves on)
 */
export function createSignals(io: CommandIo, options: { readonly endsWithReader?: boolean } = {}): Signals {
  const asked = Promise.withResolvers<Signal>();
  const abort = new AbortController();
  let reload: (() => void) | undefined;
  let isReloadMissed = false;
  let isReaderGone = false;
  const release = io.onSignal((name) => {
    if (name === 'SIGHUP') {
      if (abort.signal.aborted) return;
      if (reload === undefined) isReloadMissed = true;
      else reload();
      return;
    }
    if (name === 'SIGPIPE') {
      if (options.endsWithReader !== true || abort.signal.aborted) return;
      isReaderGone = true;
    } else if (abort.signal.aborted) {
      io.forceExit(EXIT.failed);
      return;
    }
    abort.abort();
    asked.resolve(name);
  });
  return {
    stopAsked: asked.promise,
    stopped: abort.signal,
    get isReaderGone() {
      return isReaderGone;
    },
    onReload(handler) {
      reload = handler;
      if (isReloadMissed && !abort.signal.aborted) handler();
      isReloadMissed = false;
    },
    release,
  };
}
