/** What a command may use of the process it runs in. main.ts makes one from `process`; tests make their own. */

/** Somewhere text goes: standard output or standard error. */
export interface Output {
  write(text: string): void;
  /** True where a person is looking, so that colours and bars make sense. */
  readonly isTerminal: boolean;
  /** Characters in a line of the terminal. Default 80. */
  readonly columns?: number;
}

/** `SIGPIPE`: what is written to standard output cannot arrive any more. */
export type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGPIPE';

export interface CommandIo {
  /** The arguments after the program's name. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The working directory, absolute: what relative paths are relative to. */
  readonly cwd: string;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly pid: number;
  /** Node's own version, such as `24.21.0`. */
  readonly nodeVersion: string;
  /** Takes the signals over from their default, which ends the process; the function it returns gives them back. */
  onSignal(handler: (signal: Signal) => void): () => void;
  /** Ends the process now, whatever is still open. Only for an operator who asked twice. */
  forceExit(code: number): void;
}

/** Exit codes: done, failed, wrong usage or configuration; ended because nobody reads any more, as a shell tells of SIGPIPE. */
export const EXIT = { done: 0, failed: 1, usage: 2, readerGone: 141 } as const;
