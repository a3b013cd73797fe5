import type { CommandIo } from '../../../src/cli/io.ts';

/** A command's surroundings, and what it wrote so far. */
export interface FakeIo {
  readonly io: CommandIo;
  out(): string;
  err(): string;
}

/** Surroundings of a command line without a process: nothing in the environment, no terminal, no signals. */
export function fakeIo(
  args: readonly string[],
  rest: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): FakeIo {
  let [out, err] = ['', ''];
  const io: CommandIo = {
    args,
    env: rest.env ?? {},
    cwd: rest.cwd ?? '/nowhere',
    stdout: { isTerminal: false, write: (text) => void (out += text) },
    stderr: { isTerminal: false, write: (text) => void (err += text) },
    pid: 1,
    nodeVersion: '24.0.0',
    onSignal: () => () => undefined,
    forceExit: () => undefined,
  };
  return { io, out: () => out, err: () => err };
}
