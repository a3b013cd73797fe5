/** From a command's flags to its configuration: finds the file, reads it, loads it. */
import path from 'node:path';
import { CONFIG_VARIABLE } from '../config/layers.ts';
import { loadConfig } from '../config/load.ts';
import type { ConfigProblem } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { configFlags } from './flags.ts';
import type { CommandIo } from './io.ts';
import type { OptionValues } from './parse-options.ts';
import { readTextFile } from './read-text-file.ts';

/** A configuration is a few kilobytes; what is larger is some other file. */
const MAX_FILE_BYTES = 2 ** 20;

export type ReadConfigResult =
  | {
      readonly ok: true;
      readonly config: Config;
      readonly warnings: readonly string[];
      /** The file that was read, as it was named; undefined without one. */
      readonly file: string | undefined;
    }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** Reads the file named by `--config` or IMGAPI_MIRROR_CONFIG, if any, and loads the configuration. Never throws. */
export async function readConfig(io: CommandIo, options: OptionValues): Promise<ReadConfigResult> {
  const flags = configFlags(options);
  const file = options.text('config') ?? (io.env[CONFIG_VARIABLE] || undefined);
  if (file === undefined) return withFile(undefined, loadConfig({ env: io.env, flags }));
  const read = await readTextFile(path.resolve(io.cwd, file), MAX_FILE_BYTES);
  if (!read.ok) {
    const where = options.has('config') ? '--config' : CONFIG_VARIABLE;
    const unread = { key: '', where, message: `cannot read ${JSON.stringify(file)}: ${read.reason}` };
    // What else is wrong can be said all the same.
    const rest = loadConfig({ env: io.env, flags });
    return { ok: false, problems: [unread, ...(rest.ok ? [] : rest.problems)] };
  }
  return withFile(file, loadConfig({ file: { path: file, text: read.text }, env: io.env, flags }));
}

function withFile(file: string | undefined, result: ReturnType<typeof loadConfig>): ReadConfigResult {
  return result.ok ? { ...result, file } : result;
}
