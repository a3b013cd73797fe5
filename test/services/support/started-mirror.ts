/** A mirror in a process of its own, started by whatever command line leads to it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { TestContext } from 'node:test';
import { until } from '../../support/wait-for.ts';

export interface StartedMirror {
  /** Where this machine reaches it. */
  readonly url: string;
  /** What it takes for its own process id: in a namespace of its own that is not this machine's. */
  readonly pid: number;
  /** The process that was spawned; the mirror itself may be a child of it. */
  readonly child: ChildProcess;
  /** All it has written so far. */
  output(): string;
  /** Resolves to the exit code of what was spawned; null if a signal ended it. */
  ended(): Promise<number | null>;
}

/** The environment of a mirror for tests: any free port of the loopback, one upstream, asked directly, as full a disk as it likes. */
export function mirrorEnv(upstreamUrl: string): Readonly<Record<string, string>> {
  return {
    IMGAPI_MIRROR_LISTEN_HOST: '127.0.0.1',
    IMGAPI_MIRROR_LISTEN_PORT: '0',
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0B',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'fake', url: upstreamUrl, proxy: 'none' }]),
  };
}

/** Resolves when it listens. After the test it is ended, if it still runs. `env` is laid over this process's environment. */
export async function startMirror(
  t: TestContext,
  command: readonly [string, ...string[]],
  env: Readonly<Record<string, string>> = {},
): Promise<StartedMirror> {
  const [program, ...args] = command;
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let isOver = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const end = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => (isOver = true));
  // Who waits for it hears of its failure; until then it must not count as unhandled.
  end.catch(() => {});
  t.after(async () => {
    // Not SIGKILL: buildah and unshare are to take the mirror with them.
    child.kill('SIGTERM');
    await end;
  });
  const listening = await until(
    () => {
      assert.ok(!isOver, `it ended: ${output}`);
      return listeningLine(output);
    },
    { deadlineMs: 30_000, what: 'the mirror listens' },
  );
  return { ...listening, child, output: () => output, ended: () => end };
}

/** The JSON log line that says where it listens. */
function listeningLine(output: string): { readonly url: string; readonly pid: number } | undefined {
  for (const line of output.split('\n')) {
    if (!line.startsWith('{') || !line.endsWith('}')) continue;
    const record: unknown = JSON.parse(line);
    if (typeof record !== 'object' || record === null || !('localUrl' in record) || !('pid' in record)) continue;
    if (typeof record.localUrl === 'string' && typeof record.pid === 'number') {
      return { url: record.localUrl, pid: record.pid };
    }
  }
  return undefined;
}
