/** `config print`: the configuration as it came out of file, environment and flags, in the form of a file. */
import { escape } from '../config/problem.ts';
import { printConfig, toFileForm } from '../config/print.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { readConfig } from './read-config.ts';
import { reportProblems } from './report-problems.ts';

export async function configPrint(options: OptionValues, io: CommandIo): Promise<number> {
  const asJson = options.has('json');
  const read = await readConfig(io, options);
  if (!read.ok) return reportProblems(io, read.problems, asJson);
  if (asJson) {
    io.stdout.write(`${JSON.stringify({ ok: true, config: toFileForm(read.config), warnings: read.warnings })}\n`);
    return EXIT.done;
  }
  for (const warning of read.warnings) io.stderr.write(`warning: ${escape(warning)}\n`);
  io.stdout.write(printConfig(read.config));
  return EXIT.done;
}
