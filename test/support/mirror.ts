/** A whole mirror in this process, on a port of its own, with a cache directory that goes with the test. */
import type { TestContext } from 'node:test';
import path from 'node:path';
import { createApp, type App } from '../../src/app.ts';
import type { Config, UpstreamConfig } from '../../src/config/schema.ts';
import { defaultConfig } from '../../src/config/load.ts';
import { openDataDir } from '../../src/records/data-dir.ts';
import { createSqliteStore } from '../../src/records/sqlite-store.ts';
import type { Tracing } from '../../src/tracing/tracing.ts';
import { createCaptureLog } from './capture-log.ts';
import { makeTempDir } from './temp-dir.ts';

/** What the admin API of every test mirror takes. */
export const ADMIN_TOKEN = 'the-token-of-the-tests';
/** The secret of its run. */
export const ADMIN_SECRET = 'the-secret-of-the-tests';

export interface MirrorOptions {
  /** URLs of the upstreams in precedence order, or more about each. Names default to `up0`, `up1`, ... */
  readonly upstreams: readonly (string | (Partial<UpstreamConfig> & { readonly url: string }))[];
  /** An existing cache directory, to play a restart; else a fresh one. */
  readonly dir?: string;
  readonly catalog?: Partial<Config['catalog']>;
  readonly cache?: Partial<Config['cache']>;
  readonly listen?: Partial<Config['listen']>;
  readonly prefetch?: Config['prefetch'];
  readonly metrics?: Config['metrics'];
  readonly offline?: boolean;
  /** Default: `ADMIN_TOKEN`; null: none is configured. */
  readonly adminToken?: string | null;
  /** Default 0: any free one. */
  readonly port?: number;
  /** Closed with the mirror. Default: nothing is traced. */
  readonly tracing?: Tracing;
  /** False: the first refresh may still be under way when the test begins. Default true. */
  readonly waitForCatalog?: boolean;
}

export interface TestMirror {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  readonly app: App;
  readonly config: Config;
  readonly log: ReturnType<typeof createCaptureLog>;
  /** The value of one series of `/metrics`, such as `imgapi_mirror_downloads_total{result="stored"}`. */
  metric(series: string): Promise<number>;
  /** Also done after the test. */
  close(): Promise<void>;
}

export async function startMirror(t: TestContext, options: MirrorOptions): Promise<TestMirror> {
  const defaults = defaultConfig();
  const [upstreamDefaults] = defaults.upstreams;
  if (upstreamDefaults === undefined) throw new Error('the default configuration has an upstream');
  const dir = options.dir ?? path.join(await makeTempDir(t), 'cache');
  const config: Config = {
    ...defaults,
    listen: { ...defaults.listen, ...options.listen },
    upstreams: options.upstreams.map((upstream, at) => ({
      ...upstreamDefaults,
      name: `up${at}`,
      connectTimeout: 2_000,
      stallTimeout: 2_000,
      proxy: 'none',
      ...(typeof upstream === 'string' ? { url: upstream } : upstream),
    })),
    catalog: { ...defaults.catalog, ...options.catalog },
    offline: options.offline ?? false,
    // Whatever the machine's disk has left, tests of other things must not fail for it.
    cache: { ...defaults.cache, minFreeBytes: 0, ...options.cache, dir },
    prefetch: options.prefetch ?? defaults.prefetch,
    metrics: options.metrics ?? defaults.metrics,
  };
  const log = createCaptureLog();
  const dataDir = await openDataDir({ log }, { dir, pid: process.pid });
  const app = createApp(config, {
    log,
    recordsStore: createSqliteStore(path.join(dir, 'records.sqlite')),
    caOf: () => undefined,
    adminSecret: ADMIN_SECRET,
    adminToken: options.adminToken === null ? undefined : (options.adminToken ?? ADMIN_TOKEN),
    tracing: options.tracing,
    hostname: 'mirror.test',
    nodeVersion: process.versions.node,
    now: Date.now,
    monotonicNow: () => performance.now(),
    random: Math.random,
  });
  await app.start();
  await app.server.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  // Its failure is the test's business, not this function's.
  if (options.waitForCatalog !== false) await app.catalog.view(undefined).catch(() => undefined);
  const [address] = app.server.addresses();
  const port = typeof address === 'object' ? address.port : 0;
  const url = `http://127.0.0.1:${port}`;
  let isOpen = true;
  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    app.server.server.closeAllConnections();
    await app.server.close();
    await app.close();
    await dataDir.close();
  }
  t.after(close);
  return {
    url,
    port,
    dir,
    app,
    config,
    log,
    async metric(series) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      if (line === undefined) throw new Error(`no series ${series}`);
      return Number(line.slice(series.length + 1));
    },
    close,
  };
}
