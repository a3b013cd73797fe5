/** Takes a cache directory and builds a mirror over it: to serve, or to run one command. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import { createApp, type App } from '../app.ts';
import type { Log } from '../config/log.ts';
import type { Config } from '../config/schema.ts';
import type { TlsPair } from '../http/tls.ts';
import { openDataDir, type DataDir } from '../records/data-dir.ts';
import { createSqliteStore } from '../records/sqlite-store.ts';
import type { CommandIo } from './io.ts';
import { openTracing } from './open-tracing.ts';
import { selfCheck, type Finding } from './self-check.ts';

export interface OpenMirror {
  readonly app: App;
  readonly dataDir: DataDir;
  /** What the API takes from the commands of this machine, for this run. */
  readonly secret: string;
  /** Ends everything and gives the directory up. */
  close(): Promise<void>;
}

export interface OpenMirrorDeps {
  readonly io: CommandIo;
  readonly log: Log;
  /** PEM texts of upstreams' `caFile`, by the upstream's name. */
  readonly ca: ReadonlyMap<string, string>;
  readonly tls: TlsPair | undefined;
  /** From the configuration; undefined where it has none. */
  readonly adminToken: string | undefined;
  /** Told of everything the self-check found. */
  readonly onFinding: (finding: Finding) => void;
}

/**
 * Undefined where the self-check found an error, or where `isStopped` says so once the directory is taken.
 * @throws DataDirError
 */
export async function openMirror(
  config: Config,
  deps: OpenMirrorDeps,
  isStopped: () => boolean = () => false,
): Promise<OpenMirror | 'unfit' | 'stopped'> {
  const { io, log, ca } = deps;
  const dir = path.resolve(io.cwd, config.cache.dir);
  const dataDir = await openDataDir({ log }, { dir, pid: io.pid });
  try {
    const findings = await selfCheck({ dir, minFreeBytes: config.cache.minFreeBytes });
    for (const finding of findings) deps.onFinding(finding);
    const isUnfit = findings.some(({ severity }) => severity === 'error');
    if (isUnfit || isStopped()) {
      await dataDir.close();
      return isUnfit ? 'unfit' : 'stopped';
    }
    const recordsStore = createSqliteStore(path.join(dir, 'records.sqlite'));
    if (recordsStore.setAside !== undefined) {
      log.warn({ file: recordsStore.setAside }, 'records were damaged: set aside, begun anew');
    }
    const secret = randomBytes(32).toString('base64url');
    const app = createApp(
      { ...config, cache: { ...config.cache, dir } },
      {
        log,
        recordsStore,
        caOf: (name) => ca.get(name),
        tls: deps.tls,
        adminSecret: secret,
        adminToken: deps.adminToken,
        tracing: await openTracing(config.tracing, log, hostname()),
        hostname: hostname(),
        nodeVersion: io.nodeVersion,
        now: Date.now,
        monotonicNow: () => performance.now(),
        random: Math.random,
      },
    );
    return {
      app,
      dataDir,
      secret,
      async close() {
        try {
          await app.close();
        } finally {
          await dataDir.close();
        }
      },
    };
  } catch (error) {
    await dataDir.close();
    throw error;
  }
}
