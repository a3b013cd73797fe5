/** What the process was asked to do by signals: stop, stop at once, read the configuration again. */
import { EXIT, type CommandIo, type Signal } from './io.ts';

export interface Signals {
  /** Resolves with the first SIGTERM or SIGINT. A second one ends the process at once. */
  readonly stopAsked: Promise<Signal>;
  /** Aborts at the same moment. */
  readonly stopped: AbortSignal;
  /** Runs `reload` at every SIGHUP from here on, and now if one has come before. Not after a stop was asked for. */
  onReload(reload: () => void): void;
  /** Gives the signals back to their default. */
  release(): void;
}

/** Takes the signals over. As early as can be: without a handler, process 1 of a container does not hear them at all. */
export function createSignals(io: CommandIo): Signals {
  const asked = Promise.withResolvers<Signal>();
  const abort = new AbortController();
  let reload: (() => void) | undefined;
  let isReloadMissed = false;
  const release = io.onSignal((name) => {
    if (name === 'SIGHUP') {
      if (abort.signal.aborted) return;
      if (reload === undefined) isReloadMissed = true;
      else reload();
      return;
    }
    if (abort.signal.aborted) {
      io.forceExit(EXIT.failed);
      return;
    }
    abort.abort();
    asked.resolve(name);
  });
  return {
    stopAsked: asked.promise,
    stopped: abort.signal,
    onReload(handler) {
      reload = handler;
      if (isReloadMissed && !abort.signal.aborted) handler();
      isReloadMissed = false;
    },
    release,
  };
}
