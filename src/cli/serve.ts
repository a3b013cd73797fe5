/** `serve`: runs the mirror until it is told to stop. */
import { randomUUID } from 'node:crypto';
import { hostname, networkInterfaces } from 'node:os';
import type { FastifyInstance } from 'fastify';
import type { App } from '../app.ts';
import type { Log } from '../config/log.ts';
import { PRODUCT } from '../config/product.ts';
import { escape } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { DataDirError } from '../records/data-dir.ts';
import type { TlsPair } from '../http/tls.ts';
import { MAX_SKEW_MS } from '../upstream/clock-check.ts';
import { readAdminToken } from './admin-token.ts';
import { readCaFiles } from './ca-files.ts';
import { EXIT, type CommandIo } from './io.ts';
import { bracketed, listenError } from './listen-check.ts';
import { createLogger, type Logger } from './logger.ts';
import { openMirror, type OpenMirror } from './open-mirror.ts';
import type { ReadConfigResult } from './read-config.ts';
import { createReloader } from './reload.ts';
import { reportProblems } from './report-problems.ts';
import { createSignals, type Signals } from './signals.ts';
import { clockLine, startLines, upstreamLine } from './start-lines.ts';
import { readTlsFiles } from './tls-files.ts';

/** How long the lines at the start wait for an upstream's answer. */
const FIRST_PING_MS = 5_000;
/** Any time will do: nothing happens when it is over. */
const STAY_MS = 60_000;

/** What the command line gives `serve` beside the configuration. */
export interface ServeSession {
  /** Default: taken over here. Given back at the end in either case. */
  readonly signals?: Signals;
  /** What is allowed but should be known, from the configuration. */
  readonly warnings?: readonly string[];
  /** Reads the configuration again, at SIGHUP. Default: the same one, so that only certificates are new. */
  readonly reread?: () => Promise<ReadConfigResult>;
}

/** Everything `run` needs of a mirror that is built. */
interface Started {
  readonly mirror: OpenMirror;
  readonly config: Config;
  readonly io: CommandIo;
  readonly log: Log;
  readonly signals: Signals;
  readonly reload: () => Promise<void>;
}

/** Serves until it is told to stop. Returns the exit code. */
export async function serve(config: Config, io: CommandIo, session: ServeSession = {}): Promise<number> {
  const signals = session.signals ?? createSignals(io);
  // What closes last may wait for a timer that keeps no process alive; Node would end in the middle of it, with exit code 13.
  const staying = setInterval(() => {}, STAY_MS);
  try {
    const ca = await readCaFiles(config, io.cwd);
    const tls = await readTlsFiles(config.listen.tls, io.cwd, Date.now());
    const admin = await readAdminToken(config.admin, io.cwd);
    if (!ca.ok || !tls.ok || !admin.ok) {
      const problems = [ca, tls, admin].flatMap((read) => (read.ok ? [] : read.problems));
      return reportProblems(io, problems, false);
    }
    const logger = await createLogger(config.log, io.stdout);
    for (const warning of [...(session.warnings ?? []), ...tls.warnings]) {
      io.stderr.write(`warning: ${escape(warning)}\n`);
      logger.log.warn({ warning }, 'configuration warning');
    }
    return await serveFrom(config, io, session, {
      logger,
      signals,
      ca: ca.texts,
      tls: tls.pair,
      adminToken: admin.token,
    });
  } finally {
    clearInterval(staying);
    signals.release();
  }
}

/** Takes the cache directory, looks around, builds the mirror and runs it. */
async function serveFrom(
  config: Config,
  io: CommandIo,
  session: ServeSession,
  parts: {
    readonly logger: Logger;
    readonly signals: Signals;
    readonly ca: ReadonlyMap<string, string>;
    readonly tls: TlsPair | undefined;
    readonly adminToken: string | undefined;
  },
): Promise<number> {
  const { logger, signals, ca, tls, adminToken } = parts;
  const { log } = logger;
  let opened: Awaited<ReturnType<typeof openMirror>>;
  try {
    opened = await openMirror(
      config,
      {
        io,
        log,
        ca,
        tls,
        adminToken,
        onFinding({ severity, check, message }) {
          if (severity === 'warning') io.stderr.write(`warning: ${escape(message)}\n`);
          else refuse(io, message);
          log[severity === 'warning' ? 'warn' : 'error']({ check, problem: message }, 'self-check');
        },
      },
      () => signals.stopped.aborted,
    );
  } catch (error) {
    if (error instanceof DataDirError) return refuse(io, error.message);
    throw error;
  }
  if (opened === 'unfit') return EXIT.failed;
  if (opened === 'stopped') return EXIT.done;
  const { app } = opened;
  const reread = session.reread ?? (async () => ({ ok: true, config, warnings: [], file: undefined }) as const);
  const reload = createReloader({ app, logger, reread, cwd: io.cwd, now: Date.now }, { config, tls, ca });
  let code: number;
  try {
    code = await run({ mirror: opened, config, io, log, signals, reload });
  } finally {
    await opened.close();
  }
  log.info({ code }, 'stopped');
  return code;
}

async function run({ mirror, config, io, log, signals, reload }: Started): Promise<number> {
  const { app, dataDir, secret } = mirror;
  await app.start();
  if (signals.stopped.aborted) return EXIT.done;
  const { host } = config.listen;
  try {
    await app.server.listen({ host, port: config.listen.port });
  } catch (error) {
    return refuse(io, listenError(error, config.listen));
  }
  const scheme = config.listen.tls.certFile === null ? 'http' : 'https';
  const port = portOf(app.server);
  const localUrl = `${scheme}://${isAnyHost(host) ? '127.0.0.1' : bracketed(host)}:${port}`;
  await dataDir.writeServing({ address: localUrl, pid: io.pid, secret });
  const url = config.listen.publicUrl ?? `${scheme}://${bracketed(reachableHost(host))}:${port}`;
  for (const line of startLines({ config, dir: dataDir.dir, url, version: PRODUCT.version }))
    io.stderr.write(`${line}\n`);
  log.info({ url, localUrl, dir: dataDir.dir, version: PRODUCT.version }, 'listening');
  // It logs whatever becomes of it, and is over before the process: everything it waits for is a small file.
  signals.onReload(() => void reload());
  if (!config.offline) void sayWhetherUpstreamsAnswer(app, io, signals.stopped);
  log.info({ signal: await signals.stopAsked }, 'stopping');
  await app.drain();
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
      if (stopped.aborted) return;
      io.stderr.write(`${upstreamLine(upstream.name, performance.now() - startedAt, problem)}\n`);
      const skewMs = app.clockSkewMs(upstream.name) ?? 0;
      if (Math.abs(skewMs) > MAX_SKEW_MS) io.stderr.write(`${clockLine(upstream.name, skewMs)}\n`);
    }),
  );
}

function refuse(io: CommandIo, message: string): number {
  io.stderr.write(`${PRODUCT.name}: ${escape(message)}\n`);
  return EXIT.failed;
}

function portOf(server: FastifyInstance): number {
  const [address] = server.addresses();
  return typeof address === 'object' ? address.port : 0;
}

function isAnyHost(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** An address other hosts can probably reach: for the line that tells what to give to imgadm. */
function reachableHost(host: string): string {
  if (!isAnyHost(host)) return host;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? hostname();
}
