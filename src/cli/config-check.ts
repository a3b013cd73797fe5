/** `config check`: says whether the mirror would start with this configuration, without starting it. */
import path from 'node:path';
import { escape, type ConfigProblem } from '../config/problem.ts';
import { formatSize } from '../config/units.ts';
import { readAdminToken } from './admin-token.ts';
import { readCaFiles } from './ca-files.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { listenProblem } from './listen-check.ts';
import { readConfig } from './read-config.ts';
import { reportProblems } from './report-problems.ts';
import { selfCheck } from './self-check.ts';
import { readTlsFiles } from './tls-files.ts';

export async function configCheck(options: OptionValues, io: CommandIo): Promise<number> {
  const asJson = options.has('json');
  const read = await readConfig(io, options);
  if (!read.ok) return reportProblems(io, read.problems, asJson);
  const { config, file } = read;
  const ca = await readCaFiles(config, io.cwd);
  const tls = await readTlsFiles(config.listen.tls, io.cwd, Date.now());
  const admin = await readAdminToken(config.admin, io.cwd);
  if (!ca.ok || !tls.ok || !admin.ok) {
    const problems = [ca, tls, admin].flatMap((part) => (part.ok ? [] : part.problems));
    return reportProblems(io, problems, asJson);
  }
  const cacheDir = path.resolve(io.cwd, config.cache.dir);
  const findings = await selfCheck({ dir: cacheDir, minFreeBytes: config.cache.minFreeBytes });
  const cannotListen = await listenProblem(config.listen);
  const errors = [
    ...findings.filter(({ severity }) => severity === 'error').map(({ message }) => message),
    ...(cannotListen === undefined ? [] : [cannotListen]),
  ];
  if (errors.length > 0) {
    const problems = errors.map((message): ConfigProblem => ({ key: '', where: undefined, message }));
    reportProblems(io, problems, asJson);
    return EXIT.failed;
  }
  const warnings = [
    ...read.warnings,
    ...tls.warnings,
    ...findings.filter(({ severity }) => severity === 'warning').map(({ message }) => message),
  ];
  if (asJson) {
    const upstreams = config.upstreams.map(({ name, url }) => ({ name, url }));
    io.stdout.write(`${JSON.stringify({ ok: true, file: file ?? null, upstreams, cacheDir, warnings })}\n`);
    return EXIT.done;
  }
  for (const warning of warnings) io.stderr.write(`warning: ${escape(warning)}\n`);
  const { maxBytes, minFreeBytes } = config.cache;
  const limits = [
    maxBytes === null ? 'no limit of its own' : `at most ${formatSize(maxBytes)}`,
    `${formatSize(minFreeBytes)} of the file system left free`,
  ];
  const lines = [
    'ok',
    `file       ${file === undefined ? 'none (defaults, environment and flags)' : escape(file)}`,
    ...config.upstreams.map(({ name, url }) => `upstream   ${name} ${url}`),
    `cache      ${escape(cacheDir)} (${limits.join(', ')})`,
  ];
  io.stdout.write(`${lines.join('\n')}\n`);
  return EXIT.done;
}
