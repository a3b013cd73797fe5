/** What `doctor` looks at on this machine: the files of the configuration, the cache directory, the mirror on it, its upstreams. */
import { X509Certificate } from 'node:crypto';
import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { PRODUCT } from '../config/product.ts';
import type { Config } from '../config/schema.ts';
import { formatProblem, type ConfigProblem } from '../config/problem.ts';
import { roughSize } from '../config/units.ts';
import { ok, problem, warning, type CheckName, type Finding, type Report } from '../doctor/finding.ts';
import { checkRunning } from '../doctor/running-check.ts';
import { LIMITS } from '../doctor/subject.ts';
import { dateFindings } from '../doctor/tls-check.ts';
import { checkUpstream } from '../doctor/upstream-check.ts';
import { readCaFiles } from './ca-files.ts';
import type { CommandIo } from './io.ts';
import { selfCheck, type Finding as SelfFinding } from './self-check.ts';
import { readTlsFiles } from './tls-files.ts';

const USER_AGENT = `${PRODUCT.name}/${PRODUCT.version} doctor`;

/** What to do about what the self-check finds. */
const SELF_TODO: Readonly<Record<SelfFinding['check'], string>> = {
  runtime: 'run it with another build of Node',
  directory: 'name another one (cache.dir), or remove what is in the way',
  format: 'install the program that made it, or name another directory (cache.dir)',
  space: 'free some, lower cache.minFreeBytes or cache.maxBytes, or move the cache',
  records: 'without it only lists, last uses and negative answers are lost',
  'open-files': 'raise it where the mirror is started (ulimit -n, LimitNOFILE)',
};

const FORBIDDEN_TODO = 'run the doctor as the mirror’s user; if it was run so, that user must own what is named';

/** Reports all of it. Returns the address of the mirror that runs on the configured directory, if one does. */
export async function checkHere(config: Config, io: CommandIo, report: Report): Promise<string | undefined> {
  await checkCertificate(config, io, report);
  const ca = await readCaFiles(config, io.cwd);
  if (!ca.ok) reportProblems(report, 'config', ca.problems);
  const dir = path.resolve(io.cwd, config.cache.dir);
  await checkCache(dir, config.cache.minFreeBytes, report);
  const address = await checkRunning(dir, { report, userAgent: USER_AGENT, deadlineMs: LIMITS.smallMs });
  if (config.offline) {
    report(ok('upstream', 'none was asked: offline is true'));
    return address;
  }
  const checked = config.upstreams.map(async (upstream) =>
    checkUpstream(upstream, {
      ca: ca.ok ? ca.texts.get(upstream.name) : undefined,
      userAgent: USER_AGENT,
      deadlineMs: LIMITS.smallMs,
      now: Date.now,
    }),
  );
  for (const finding of (await Promise.all(checked)).flat()) report(finding);
  return address;
}

async function checkCertificate({ listen }: Config, io: CommandIo, report: Report): Promise<void> {
  const now = Date.now();
  const tls = await readTlsFiles(listen.tls, io.cwd, now);
  if (!tls.ok) {
    reportProblems(report, 'certificate', tls.problems);
    return;
  }
  if (tls.pair === undefined) return;
  const certificate = new X509Certificate(tls.pair.cert);
  const findings: Finding[] = [
    ...tls.warnings.map((text) => warning('certificate', text, 'get another one; hosts may refuse it')),
    // Whatever is wrong with its dates already is among the warnings; what is about to be is not.
    ...dateFindings('certificate', certificate, now).filter(({ verdict }) => verdict === 'warning'),
  ];
  for (const finding of findings) report(finding);
  if (findings.length > 0) return;
  report(ok('certificate', `${listen.tls.certFile} is valid until ${certificate.validToDate.toISOString()}`));
}

async function checkCache(dir: string, minFreeBytes: number, report: Report): Promise<void> {
  const findings = await selfCheck({ dir, minFreeBytes });
  for (const { severity, check, message, isForbidden } of findings) {
    const make = severity === 'error' ? problem : warning;
    report(make('cache', message, isForbidden === true ? FORBIDDEN_TODO : SELF_TODO[check]));
  }
  if (findings.length > 0) return;
  // It need not exist yet; what is free then is of no interest.
  const free = await statfs(dir).catch(() => undefined);
  const room = free === undefined ? 'will be made at start' : `${roughSize(free.bavail * free.bsize)} of its disk free`;
  report(ok('cache', `${dir} can be used, ${room}`));
}

function reportProblems(report: Report, check: CheckName, problems: readonly ConfigProblem[]): void {
  for (const found of problems)
    report(problem(check, formatProblem(found), 'correct it; config check says when it is right'));
}
