/** Runs the mirror as users do: the shipped entry, in its own process, with default settings but for addresses and directories. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readServing } from '../../src/records/serving-file.ts';
import { openConnection } from './connection.ts';

export interface MirrorOptions {
  /** The cache directory and the logs go below it. */
  readonly dir: string;
  /** In order of precedence; empty: as `env` says. */
  readonly upstreamUrls: readonly string[];
  /** More settings, as environment variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default 0: any free one. */
  readonly port?: number;
}

export interface BenchMirror {
  readonly port: number;
  readonly pid: number;
  [Symbol.asyncDispose](): Promise<void>;
}

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const START_MS = 20_000;
const STOP_MS = 10_000;

/** What is measured: the entry prefers a build where there is one. */
export function measuredCode(): 'dist' | 'src' {
  return existsSync(new URL('../../dist/main.js', import.meta.url)) ? 'dist' : 'src';
}

/** Starts the process and does not wait for anything. */
export async function spawnMirror(options: MirrorOptions): Promise<ChildProcess> {
  const { dir, upstreamUrls, port = 0, env = {} } = options;
  await mkdir(dir, { recursive: true });
  const log = openSync(logFile(dir), 'a');
  try {
    return spawn(
      process.execPath,
      [
        ...extraNodeArgs(),
        ENTRY,
        'serve',
        '--host=127.0.0.1',
        `--port=${port}`,
        `--cache-dir=${cacheDir(dir)}`,
        ...upstreamUrls.map((url, index) => `--upstream=upstream-${index + 1}=${url}`),
      ],
      // Nothing of the caller's environment but what a process needs: a proxy or a setting in it would change the figures.
      { stdio: ['ignore', log, log], env: { ...mirrorEnv(), ...env } },
    );
  } finally {
    closeSync(log);
  }
}

/** Starts it and waits until it serves. */
export async function startMirror(options: MirrorOptions, signal: AbortSignal): Promise<BenchMirror> {
  const child = await spawnMirror(options);
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
    for (;;) {
      deadline.throwIfAborted();
      if (hasEnded(child)) throw new Error(`the mirror ended with ${child.exitCode ?? child.signalCode}`);
      const serving = await readServing(cacheDir(options.dir));
      const { pid } = child;
      if (pid !== undefined && serving?.pid === pid && serving.address !== undefined) {
        const port = Number(new URL(serving.address).port);
        return { port, pid, [Symbol.asyncDispose]: async () => stopMirror(child) };
      }
      await sleep(5, undefined, { signal: deadline });
    }
  } catch (error) {
    await stopMirror(child);
    const log = await readFile(logFile(options.dir), 'utf8');
    throw new Error(`the mirror did not start; the end of its log:\n${log.slice(-2000)}`, { cause: error });
  }
}

export async function stopMirror(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const isLate = Symbol('late');
  const waiting = new AbortController();
  const late = sleep(STOP_MS, isLate, { signal: waiting.signal });
  const first = await Promise.race([exited, late]);
  waiting.abort();
  await late.catch(() => {});
  if (first !== isLate) return;
  child.kill('SIGKILL');
  await exited;
}

export function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Waits until the merged list has `count` images; returns its bytes. */
export async function untilListed(port: number, count: number, signal: AbortSignal): Promise<Buffer> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(START_MS)]);
  const connection = await openConnection({ port, signal: deadline });
  try {
    for (;;) {
      const pieces: Buffer[] = [];
      const { status } = await connection.get('/images', (piece) => void pieces.push(Buffer.from(piece)));
      const body = Buffer.concat(pieces);
      if (status === 200 && listLength(body) === count) return body;
      await sleep(50, undefined, { signal: deadline });
    }
  } finally {
    connection.close();
  }
}

/** For a look inside: `BENCH_NODE_ARGS='--cpu-prof --cpu-prof-dir=/tmp/prof' npm run bench -- hit`. */
function extraNodeArgs(): string[] {
  return process.env['BENCH_NODE_ARGS']?.split(' ').filter((arg) => arg !== '') ?? [];
}

function listLength(body: Buffer): number | undefined {
  const list: unknown = JSON.parse(body.toString());
  return Array.isArray(list) ? list.length : undefined;
}

function cacheDir(dir: string): string {
  return path.join(dir, 'cache');
}

function logFile(dir: string): string {
  return path.join(dir, 'mirror.log');
}

function mirrorEnv(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  return { PATH, HOME, TMPDIR, IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0B' };
}
