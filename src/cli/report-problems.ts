/** Tells of a refused configuration: one line per problem on standard error, or one JSON value on standard output. */
import { formatProblem, type ConfigProblem } from '../config/problem.ts';
import { EXIT, type CommandIo } from './io.ts';

/** Returns the exit code for a refused configuration. */
export function reportProblems(io: CommandIo, problems: readonly ConfigProblem[], asJson: boolean): number {
  if (asJson) io.stdout.write(`${JSON.stringify({ ok: false, problems })}\n`);
  else io.stderr.write(problems.map((problem) => `${formatProblem(problem)}\n`).join(''));
  return EXIT.usage;
}
