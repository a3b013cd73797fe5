/**
 * Documents whose commands are run: fenced blocks with more behind their language, such as "```sh depot stays". Each place has a directory
 * and variables of its own; what a block exports, the next block of the place has.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { until } from './wait-for.ts';

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const FENCE = /^```(\w+)(?: +([^\n]+))?\n([^]*?)^```$/gm;
/** The slowest block starts a mirror, or a few commands one after another. */
const DEADLINE_MS = 120_000;

export interface Block {
  readonly language: string;
  /** What stands behind the language: where it is run, and how. Empty: it is there to be read. */
  readonly words: readonly string[];
  readonly text: string;
  readonly line: number;
}

/** The fenced blocks of a document in Markdown, in its order. */
export function blocksOf(markdown: string): readonly Block[] {
  return [...markdown.matchAll(FENCE)].map(({ index, 1: language = '', 2: words = '', 3: text = '' }) => ({
    language,
    words: words.split(' ').filter((word) => word !== ''),
    text,
    line: markdown.slice(0, index).split('\n').length,
  }));
}

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Place {
  readonly dir: string;
  /** Runs a block to its end, and stops it where a command in it fails. */
  run(text: string): Promise<Outcome>;
  /** Begins a block that stays, such as a mirror. Resolves with what `ready` finds in what it says. */
  begin(text: string, ready: RegExp): Promise<string>;
  /** Ends what stays. */
  end(): Promise<void>;
}

export interface PlaceOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Commands beside `imgapi-mirror`: TypeScript files by name. */
  readonly commands?: Readonly<Record<string, string>>;
}

export async function openPlace(t: TestContext, dir: string, options: PlaceOptions): Promise<Place> {
  const bin = path.join(dir, '.bin');
  await mkdir(bin, { recursive: true });
  for (const [name, file] of Object.entries({ 'imgapi-mirror': ENTRY, ...options.commands })) {
    await writeFile(path.join(bin, name), `#!/bin/sh\nexec '${process.execPath}' '${file}' "$@"\n`);
    await chmod(path.join(bin, name), 0o755);
  }
  const variables = path.join(dir, '.variables');
  await writeFile(variables, '');
  // Neither configuration nor a proxy of the machine the tests run on.
  const inherited = Object.entries(process.env).filter(([name]) => !/^IMGAPI_MIRROR_|_proxy$/i.test(name));
  const env = { ...Object.fromEntries(inherited), ...options.env, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
  const staying: { readonly child: ChildProcess; readonly ended: Promise<unknown> }[] = [];

  function start(text: string): {
    readonly child: ChildProcess;
    readonly so: () => Outcome;
    readonly ended: Promise<unknown>;
  } {
    const script = `. '${variables}'\ntrap "export -p >'${variables}'" EXIT\n${text}`;
    // A group of its own: a shell that is killed leaves its children.
    const child = spawn('sh', ['-eu', '-c', script], {
      cwd: dir,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (part: string) => (out += part));
    child.stderr.setEncoding('utf8').on('data', (part: string) => (err += part));
    const ended = new Promise<void>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', () => resolve());
    });
    return { child, ended, so: () => ({ code: child.exitCode, out, err }) };
  }

  async function end(): Promise<void> {
    for (const { child, ended } of staying.splice(0)) {
      if (child.exitCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      await ended;
    }
  }
  t.after(end);

  return {
    dir,
    end,
    async run(text) {
      const { child, so, ended } = start(text);
      const timer = setTimeout(() => child.pid !== undefined && process.kill(-child.pid, 'SIGKILL'), DEADLINE_MS);
      await ended.finally(() => clearTimeout(timer));
      return so();
    },
    async begin(text, ready) {
      const { child, so, ended } = start(text);
      staying.push({ child, ended });
      return until(
        () => {
          if (child.exitCode !== null) throw new Error(`it has ended: ${so().err}`);
          return ready.exec(so().err)?.[1];
        },
        { deadlineMs: DEADLINE_MS, what: text },
      );
    },
  };
}
