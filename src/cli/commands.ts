/** The commands there are. Each runs with its parsed options and returns an exit code. */
import { escape } from '../config/problem.ts';
import { PRODUCT } from '../config/product.ts';
import { configCheck } from './config-check.ts';
import { configPrint } from './config-print.ts';
import { CONFIG_OPTIONS, JSON_OPTION } from './flags.ts';
import { EXIT, type CommandIo } from './io.ts';
import type { OptionSpecs, OptionValues } from './parse-options.ts';
import { readConfig } from './read-config.ts';
import { reportProblems } from './report-problems.ts';
import { runtimeFindings } from './self-check.ts';
import { createSignals } from './signals.ts';

export interface Command {
  /** One word, or two for a command of a group: `serve`, `config check`. */
  readonly name: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What the help text says beside usage, options and example. */
  readonly about: string;
  readonly options: OptionSpecs;
  readonly example: string;
  run(options: OptionValues, io: CommandIo): Promise<number>;
}

export const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    summary: 'Run the mirror.',
    about:
      'Runs the mirror until SIGTERM or SIGINT. A second signal ends it at once. SIGHUP reads the configuration and the certificate again.',
    options: CONFIG_OPTIONS,
    example: 'imgapi-mirror serve --cache-dir /var/cache/imgapi-mirror --port 8080',
    run: serveCommand,
  },
  {
    name: 'config check',
    summary: 'Say whether the configuration is right, without starting.',
    about:
      'Takes the flags of serve. Exits 0 if serve would start with the configuration, 2 with one line per problem if it would not accept it, 1 if the cache directory or this system would not do.',
    options: { ...CONFIG_OPTIONS, ...JSON_OPTION },
    example: 'imgapi-mirror config check --config /etc/imgapi-mirror.yaml',
    run: configCheck,
  },
  {
    name: 'config print',
    summary: 'Print the configuration that serve would use.',
    about: 'Takes the flags of serve. Prints every key as a file would hold it, with secrets masked.',
    options: { ...CONFIG_OPTIONS, ...JSON_OPTION },
    example: 'IMGAPI_MIRROR_CACHE_MAX_BYTES=200GiB imgapi-mirror config print',
    run: configPrint,
  },
];

async function serveCommand(options: OptionValues, io: CommandIo): Promise<number> {
  const read = await readConfig(io, options);
  if (!read.ok) return reportProblems(io, read.problems, false);
  for (const { message } of runtimeFindings()) {
    io.stderr.write(`${PRODUCT.name}: ${escape(message)}\n`);
    return EXIT.failed;
  }
  const signals = createSignals(io);
  // Loaded late: the other commands need no server, and start in a fraction of its time.
  const { serve } = await import('./serve.ts');
  return serve(read.config, io, { signals, warnings: read.warnings, reread: async () => readConfig(io, options) });
}
