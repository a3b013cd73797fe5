/** The lives of one mirror: in this process, or the shipped entry as a child that can be killed; all on one directory. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createApp } from '../../src/app.ts';
import type { Log } from '../../src/config/log.ts';
import { defaultConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import { openDataDir } from '../../src/records/data-dir.ts';
import { createSqliteStore } from '../../src/records/sqlite-store.ts';
import { until } from '../support/wait-for.ts';

export interface Life {
  readonly port: number;
  /** `gently` lets running answers end for a moment; `at once` breaks them off, in a child by kill -9. */
  end(how: 'gently' | 'at once'): Promise<void>;
}

export interface LifeOptions {
  /** The cache directory. */
  readonly dir: string;
  readonly upstreams: readonly string[];
  readonly stallTimeoutMs: number;
  /** null: no bound. */
  readonly maxBytes: number | null;
  readonly finishAbandoned: boolean;
}

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const DRAIN_MS = 500;
const START_DEADLINE_MS = 20_000;

/** A hostile run logs thousands of lines a second; what counts is what the clients get. */
const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

export async function beginLife(options: LifeOptions): Promise<Life> {
  const { dir } = options;
  const dataDir = await openDataDir({ log: SILENT }, { dir, pid: process.pid });
  const app = createApp(configOf(options), {
    log: SILENT,
    recordsStore: createSqliteStore(path.join(dir, 'records.sqlite')),
    caOf: () => undefined,
    adminSecret: 'none',
    adminToken: undefined,
    hostname: 'chaos.test',
    nodeVersion: process.versions.node,
    now: Date.now,
    monotonicNow: () => performance.now(),
    random: Math.random,
  });
  await app.start();
  await app.server.listen({ host: '127.0.0.1', port: 0 });
  // An upstream may refuse its list; look-ups by uuid go on without it.
  await app.catalog.view(undefined).catch(() => undefined);
  const [address] = app.server.addresses();
  return {
    port: typeof address === 'object' ? address.port : 0,
    async end(how) {
      if (how === 'gently') await app.drain();
      app.server.server.closeAllConnections();
      await app.server.close();
      await app.close();
      await dataDir.close();
    },
  };
}

export async function beginChildLife(options: LifeOptions): Promise<Life> {
  const { dir, upstreams, stallTimeoutMs, maxBytes, finishAbandoned } = options;
  const configFile = `${dir}.yaml`;
  const config = {
    listen: { host: '127.0.0.1', port: 0, drainTimeout: `${DRAIN_MS}ms` },
    upstreams: upstreams.map((url, at) => ({
      name: `up${at}`,
      url,
      stallTimeout: `${stallTimeoutMs}ms`,
      connectTimeout: '2s',
      proxy: 'none',
    })),
    cache: { dir, minFreeBytes: 0, maxBytes: maxBytes === null ? null : `${maxBytes}B`, finishAbandoned },
    log: { level: 'silent' },
  };
  // JSON is YAML.
  await writeFile(configFile, JSON.stringify(config));
  const inherited = Object.entries(process.env).filter(([name]) => !/^IMGAPI_MIRROR_|_proxy$/i.test(name));
  const child = spawn(process.execPath, [ENTRY, 'serve', '--config', configFile], {
    env: Object.fromEntries(inherited),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(child, 'close');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    // Only its first words are of interest: where it listens, or why it does not.
    if (said.length < 10_000) said += text;
  });
  const url = await until(
    () => {
      if (child.exitCode !== null) throw new Error(`the mirror has ended: ${said}`);
      return /imgadm sources -a (\S+)/.exec(said)?.[1];
    },
    { deadlineMs: START_DEADLINE_MS, what: 'the mirror listens' },
  ).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    port: Number(new URL(url).port),
    async end(how) {
      child.kill(how === 'gently' ? 'SIGTERM' : 'SIGKILL');
      await closed;
    },
  };
}

function configOf({ dir, upstreams, stallTimeoutMs, maxBytes, finishAbandoned }: LifeOptions): Config {
  const defaults = defaultConfig();
  const [upstream] = defaults.upstreams;
  if (upstream === undefined) throw new Error('the default configuration has an upstream');
  return {
    ...defaults,
    listen: { ...defaults.listen, drainTimeout: DRAIN_MS },
    upstreams: upstreams.map((url, at) => ({
      ...upstream,
      name: `up${at}`,
      url,
      stallTimeout: stallTimeoutMs,
      connectTimeout: 2_000,
      proxy: 'none',
    })),
    cache: { ...defaults.cache, dir, minFreeBytes: 0, maxBytes, finishAbandoned },
  };
}
