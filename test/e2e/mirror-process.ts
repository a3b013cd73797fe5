/** The shipped entry as a child process: `serve` on a port of its own, its output, its end. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from '../support/wait-for.ts';

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));

export interface MirrorProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it has written so far. */
  readonly out: () => string;
  readonly err: () => string;
  /** Its log, line by line. Throws if a line is no JSON. */
  readonly log: () => Record<string, unknown>[];
  /** Its exit code, or the name of the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
}

export interface ServingProcess extends MirrorProcess {
  readonly port: number;
  readonly url: string;
}

export interface ServeOptions {
  readonly cwd: string;
  readonly dir: string;
  readonly upstreams?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the entry; it is killed by its pid after the test if it is still there. */
export function runEntry(
  t: TestContext,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): MirrorProcess {
  // Neither configuration nor a proxy of the machine the tests run on.
  const inherited = Object.entries(process.env).filter(([name]) => !/^IMGAPI_MIRROR_|_proxy$/i.test(name));
  const child = spawn(process.execPath, [ENTRY, ...args], {
    cwd: options.cwd,
    env: { ...Object.fromEntries(inherited), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = new Promise<number | NodeJS.Signals | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    pid: child.pid ?? 0,
    out: () => out,
    err: () => err,
    log: () =>
      out
        .split('\n')
        .filter((line) => line !== '')
        .map(parseLine),
    ended,
  };
}

/** Runs `serve` on 127.0.0.1 and any free port; what it needs more comes in `args` and `env`. */
export function runServe(
  t: TestContext,
  { cwd, dir, upstreams = [], args = [], env = {} }: ServeOptions,
): MirrorProcess {
  const flags = ['--cache-dir', dir, '--host', '127.0.0.1', ...upstreams.flatMap((url) => ['--upstream', url])];
  const port = args.includes('--port') ? [] : ['--port', '0'];
  // Whatever the machine's disk has left, tests of other things must not fail for it.
  return runEntry(t, ['serve', ...flags, ...port, ...args], {
    cwd,
    env: { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0', ...env },
  });
}

/** Runs `serve` and waits until it says where it listens. */
export async function startServing(t: TestContext, options: ServeOptions): Promise<ServingProcess> {
  const started = runServe(t, options);
  const url = await until(
    () => {
      if (started.child.exitCode !== null) throw new Error(`it has ended: ${started.err()}`);
      return /imgadm sources -a (\S+)/.exec(started.err())?.[1];
    },
    { deadlineMs: 20_000, what: 'the mirror listens' },
  );
  return Object.assign(started, { url, port: Number(new URL(url).port) });
}

function parseLine(line: string): Record<string, unknown> {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null) throw new TypeError(`no JSON object: ${line}`);
  return { ...value };
}
