/** SIGHUP: reads the configuration and the certificates again. Whatever is wrong with the new ones changes nothing. */
import type { App } from '../app.ts';
import type { Log } from '../config/log.ts';
import { formatProblem } from '../config/problem.ts';
import { compareConfigs } from '../config/reload.ts';
import type { Config } from '../config/schema.ts';
import type { TlsPair } from '../http/tls.ts';
import { readCaFiles } from './ca-files.ts';
import type { Logger } from './logger.ts';
import type { ReadConfigResult } from './read-config.ts';
import { readTlsFiles } from './tls-files.ts';

export interface ReloadDeps {
  readonly app: Pick<App, 'reload' | 'reloadFailed'>;
  readonly logger: Logger;
  /** Reads file, environment and flags as at the start. */
  readonly reread: () => Promise<ReadConfigResult>;
  readonly cwd: string;
  /** ms since the epoch. */
  readonly now: () => number;
}

/** What is in force. */
export interface Running {
  readonly config: Config;
  readonly tls: TlsPair | undefined;
  /** PEM texts of upstreams' `caFile`, by the upstream's name. */
  readonly ca: ReadonlyMap<string, string>;
}

/** The function it returns reloads; asked again while it does, it does so once more afterwards. Never throws. */
export function createReloader(deps: ReloadDeps, first: Running): () => Promise<void> {
  const { log } = deps.logger;
  let running = first;
  let current: Promise<void> | undefined;
  let isAskedAgain = false;

  async function reload(): Promise<void> {
    const read = await deps.reread();
    if (!read.ok) return fail(log, read.problems.map(formatProblem));
    const ca = await readCaFiles(read.config, deps.cwd);
    const tls = await readTlsFiles(read.config.listen.tls, deps.cwd, deps.now());
    if (!ca.ok || !tls.ok) {
      const problems = [...(ca.ok ? [] : ca.problems), ...(tls.ok ? [] : tls.problems)];
      return fail(log, problems.map(formatProblem));
    }
    const { config, live, needRestart } = compareConfigs(running.config, read.config);
    // A port that speaks HTTP goes on doing so.
    const pair = running.tls === undefined ? undefined : (tls.pair ?? running.tls);
    const isNewPair = pair?.cert !== running.tls?.cert || pair?.key !== running.tls?.key;
    const newCa = [...ca.texts].filter(([name, text]) => running.ca.has(name) && running.ca.get(name) !== text);
    deps.app.reload(config, pair);
    deps.logger.setLevel(config.log.level);
    running = { ...running, config, tls: pair };
    const applied = isNewPair ? [...live, 'certificate'] : live;
    const waiting = [...needRestart, ...newCa.map(([name]) => `contents of the caFile of upstream ${name}`)];
    log.info({ applied }, 'configuration reloaded');
    if (waiting.length > 0) log.warn({ needRestart: waiting }, 'changes that need a restart were not applied');
    for (const warning of [...read.warnings, ...tls.warnings]) log.warn({ warning }, 'configuration warning');
    return undefined;
  }

  function fail(to: Log, problems: readonly string[]): void {
    deps.app.reloadFailed();
    to.error({ problems }, 'configuration not reloaded, nothing was changed');
  }

  async function loop(): Promise<void> {
    do {
      isAskedAgain = false;
      await reload().catch((error: unknown) => fail(log, [error instanceof Error ? error.message : String(error)]));
    } while (isAskedAgain);
  }

  return async () => {
    if (current !== undefined) {
      isAskedAgain = true;
      return current;
    }
    current = loop().finally(() => {
      current = undefined;
    });
    return current;
  };
}
