/** `config check`: says whether the mirror would start with this configuration, without starting it. */
import path from 'node:path';
import { escape, type ConfigProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { formatSize } from '../config/units.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { readConfig } from './read-config.ts';
import { readTextFile } from './read-text-file.ts';
import { reportProblems } from './report-problems.ts';

/** Bundles of all public authorities are about 250 KiB. */
const MAX_CA_BYTES = 4 * 2 ** 20;

export async function configCheck(options: OptionValues, io: CommandIo): Promise<number> {
  const asJson = options.has('json');
  const read = await readConfig(io, options);
  if (!read.ok) return reportProblems(io, read.problems, asJson);
  const { config, file, warnings } = read;
  const problems = await checkFiles(config, io.cwd);
  if (problems.length > 0) return reportProblems(io, problems, asJson);
  const cacheDir = path.resolve(io.cwd, config.cache.dir);
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

/** Files the configuration names must be there and be what they should be. */
async function checkFiles(config: Config, cwd: string): Promise<readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  for (const [index, { caFile }] of config.upstreams.entries()) {
    if (caFile === null) continue;
    const read = await readTextFile(path.resolve(cwd, caFile), MAX_CA_BYTES);
    const reason = !read.ok
      ? `cannot read ${JSON.stringify(caFile)}: ${read.reason}`
      : read.text.includes('-----BEGIN CERTIFICATE-----')
        ? undefined
        : `${JSON.stringify(caFile)} holds no certificate; a PEM file would do`;
    if (reason !== undefined) problems.push({ key: `upstreams[${index}].caFile`, where: undefined, message: reason });
  }
  return problems;
}
