/** Other programs, run to their end with a deadline. */
import { spawn } from 'node:child_process';

export interface RunOptions {
  /** Killed past this. Default 60,000. */
  readonly deadlineMs?: number;
  /** Given on standard input. Default: nothing to read. */
  readonly input?: string;
  /** Laid over this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ran {
  /** Null: killed, by the deadline or otherwise. */
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs it, whatever the exit code. Rejects only if it cannot be started. */
export async function tryCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const child = spawn(command, args, {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.deadlineMs ?? 60_000,
    killSignal: 'SIGKILL',
  });
  // A program that does not read all of its input is no failure; its exit code tells.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, out, err };
}

/** Runs it and gives its standard output without the newline at the end; anything but exit code 0 throws, with all it said. */
export async function runCommand(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, out, err } = await tryCommand(command, args, options);
  if (code !== 0) {
    throw new Error(`${command} ${args.join(' ')}\nexit code ${code ?? 'none, it was killed'}\n${out}\n${err}`);
  }
  return out.trimEnd();
}
