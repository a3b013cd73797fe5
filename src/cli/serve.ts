/** `serve`: runs the mirror until it is told to stop. */
import { randomBytes, randomUUID } from 'node:crypto';
import { hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { createApp, type App } from '../app.ts';
import type { Log } from '../config/log.ts';
import { PRODUCT } from '../config/product.ts';
import { escape } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { DataDirError, openDataDir, type DataDir } from '../records/data-dir.ts';
import { createSqliteStore } from '../records/sqlite-store.ts';
import { readCaFiles } from './ca-files.ts';
import { EXIT, type CommandIo } from './io.ts';
import { createLogger } from './logger.ts';
import { reportProblems } from './report-problems.ts';
import { startLines, upstreamLine } from './start-lines.ts';

/** How long the lines at the start wait for an upstream's answer. */
const FIRST_PING_MS = 5_000;

export async function serve(config: Config, io: CommandIo): Promise<number> {
  const ca = await readCaFiles(config, io.cwd);
  if (!ca.ok) return reportProblems(io, ca.problems, false);
  const logger = createLogger(config.log, io.stdout.isTerminal);
  const dir = path.resolve(io.cwd, config.cache.dir);
  let dataDir: DataDir;
  try {
    dataDir = await openDataDir({ log: logger.log }, { dir, pid: io.pid });
  } catch (error) {
    if (error instanceof DataDirError) return refuse(io, error.message);
    throw error;
  }
  try {
    const recordsStore = createSqliteStore(path.join(dir, 'records.sqlite'));
    if (recordsStore.setAside !== undefined) {
      logger.log.warn({ file: recordsStore.setAside }, 'records were damaged: set aside, begun anew');
    }
    const app = createApp(
      { ...config, cache: { ...config.cache, dir } },
      {
        log: logger.log,
        recordsStore,
        caOf: (name) => ca.texts.get(name),
        hostname: hostname(),
        nodeVersion: io.nodeVersion,
        now: Date.now,
        monotonicNow: () => performance.now(),
        random: Math.random,
      },
    );
    try {
      return await run(app, dataDir, config, io, logger.log);
    } finally {
      await app.close();
    }
  } finally {
    await dataDir.close();
    logger.flush();
  }
}

async function run(app: App, dataDir: DataDir, config: Config, io: CommandIo, log: Log): Promise<number> {
  await app.start();
  const { host } = config.listen;
  try {
    await app.server.listen({ host, port: config.listen.port });
  } catch (error) {
    return refuse(io, listenError(error, config));
  }
  const port = portOf(app.server);
  const localUrl = `http://${isAnyHost(host) ? '127.0.0.1' : bracketed(host)}:${port}`;
  await dataDir.writeServing({ address: localUrl, pid: io.pid, secret: randomBytes(32).toString('base64url') });
  const url = config.listen.publicUrl ?? `http://${bracketed(reachableHost(host))}:${port}`;
  for (const line of startLines({ config, dir: dataDir.dir, url, version: PRODUCT.version }))
    io.stderr.write(`${line}\n`);
  log.info({ url, localUrl, dir: dataDir.dir, version: PRODUCT.version }, 'listening');
  const stop = stopSignal(io);
  void sayWhetherUpstreamsAnswer(app, io, stop.signal);
  await stop.asked;
  log.info({ signal: stop.name() }, 'stopping');
  await drain(app.server, config.listen.drainTimeout);
  stop.release();
  return EXIT.done;
}

/** One line each on standard error, as soon as it is known. */
async function sayWhetherUpstreamsAnswer(app: App, io: CommandIo, stopped: AbortSignal): Promise<void> {
  await Promise.all(
    app.upstreams.map(async (upstream) => {
      const signal = AbortSignal.any([stopped, AbortSignal.timeout(FIRST_PING_MS)]);
      const startedAt = performance.now();
      let problem: string | undefined;
      try {
        await upstream.ping({ requestId: randomUUID(), signal });
      } catch (error) {
        problem = error instanceof Error ? error.message : String(error);
      }
      if (!stopped.aborted) io.stderr.write(`${upstreamLine(upstream.name, performance.now() - startedAt, problem)}\n`);
    }),
  );
}

/** Stops accepting, lets running responses end within `drainMs`, then closes what is left. */
async function drain(server: FastifyInstance, drainMs: number): Promise<void> {
  const closed = server.close();
  const late = new AbortController();
  const deadline = sleep(drainMs, undefined, { signal: late.signal }).then(
    () => server.server.closeAllConnections(),
    () => {},
  );
  await closed;
  late.abort();
  await deadline;
}

/** The first signal asks to stop, the second ends the process at once. */
function stopSignal(io: CommandIo): {
  readonly asked: Promise<void>;
  readonly signal: AbortSignal;
  name(): string;
  release(): void;
} {
  const asked = Promise.withResolvers<void>();
  const abort = new AbortController();
  let first: string | undefined;
  const release = io.onSignal((name) => {
    if (first !== undefined) io.forceExit(EXIT.failed);
    first = name;
    abort.abort();
    asked.resolve();
  });
  return { asked: asked.promise, signal: abort.signal, name: () => first ?? '', release };
}

function refuse(io: CommandIo, message: string): number {
  io.stderr.write(`${PRODUCT.name}: ${escape(message)}\n`);
  return EXIT.failed;
}

function listenError(error: unknown, config: Config): string {
  const { host, port } = config.listen;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const where = `${bracketed(host)}:${port}`;
  if (code === 'EADDRINUSE') return `cannot listen on ${where}: the port is in use; choose another with --port`;
  if (code === 'EACCES')
    return `cannot listen on ${where}: ports below 1024 need a privilege; choose another with --port`;
  if (code === 'EADDRNOTAVAIL')
    return `cannot listen on ${where}: this machine has no such address; choose another with --host`;
  return `cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`;
}

function portOf(server: FastifyInstance): number {
  const [address] = server.addresses();
  return typeof address === 'object' ? address.port : 0;
}

function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

/** An address other hosts can probably reach: for the line that tells what to give to imgadm. */
function reachableHost(host: string): string {
  if (!isAnyHost(host)) return host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? hostname();
}
