/** Loads the configuration: file < environment < flags, over the defaults. Pure: whoever calls reads the file and hands in the environment. */
import { checkTlsKeys } from './check-tls.ts';
import { completeUpstreams, upstreamWarnings, type PartialUpstream } from './complete-upstreams.ts';
import { environmentLayer, fileLayer, flagsLayer, type ConfigFlags, type ConfigLayer } from './layers.ts';
import { isMapping } from './mapping.ts';
import { checkNotYet } from './not-yet.ts';
import { formatKeyPath, type ConfigProblem, type KeyPath } from './problem.ts';
import { complete, resolveLayer } from './resolve.ts';
import { CONFIG_KEYS, type Config } from './schema.ts';

export interface LoadInput {
  /** The file's text, and its path as messages should show it. */
  readonly file?: { readonly path: string; readonly text: string } | undefined;
  /** The whole environment; only `IMGAPI_MIRROR_*` is looked at. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: ConfigFlags;
}

export type LoadResult =
  | { readonly ok: true; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly ConfigProblem[] };

/** The resolved configuration, or everything that is wrong with it. Never throws. */
export function loadConfig(input: LoadInput): LoadResult {
  const problems: ConfigProblem[] = [];
  const file = input.file === undefined ? undefined : fileLayer(input.file, problems);
  const layers = [file, environmentLayer(input.env, problems), flagsLayer(input.flags)].filter(
    (layer) => layer !== undefined,
  );
  const resolved = layers.map((layer) =>
    resolveLayer(CONFIG_KEYS, layer.values, [], (path, message) => {
      problems.push({ key: formatKeyPath(path), where: layer.where(path), message });
    }),
  );
  const report = (path: KeyPath, message: string): void => {
    problems.push({ key: formatKeyPath(path), where: writerOf(layers, path)?.where(path), message });
  };
  // Keys that were wrong stand at their defaults from here on, so that the checks of several keys see the rest.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema that made the value is the one the type comes from
  const merged = complete(CONFIG_KEYS, resolved, [], report) as Omit<Config, 'upstreams'> & {
    upstreams: readonly PartialUpstream[];
  };
  const config = { ...merged, upstreams: completeUpstreams(merged.upstreams, report) };
  checkTlsKeys(config.listen.tls, report);
  checkNotYet(config, report);
  if (problems.length > 0) return { ok: false, problems };
  // No problem means that no key is undefined: each was resolved, or filled in, or derived.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const loaded = config as Config;
  return { ok: true, config: loaded, warnings: upstreamWarnings(loaded.upstreams) };
}

/** The defaults alone. */
export function defaultConfig(): Config {
  const result = loadConfig({ env: {}, flags: {} });
  if (!result.ok) throw new Error('the defaults are not a valid configuration', { cause: result.problems });
  return result.config;
}

/** The layer whose value counts for the key at `path`: the last that has it. A list is replaced whole, so its entries belong to its writer. */
function writerOf(layers: readonly ConfigLayer[], path: KeyPath): ConfigLayer | undefined {
  const firstIndex = path.findIndex((step) => typeof step === 'number');
  const owner = firstIndex === -1 ? path : path.slice(0, firstIndex);
  return layers.findLast(({ values }) => hasIn(values, owner));
}

function hasIn(values: unknown, path: KeyPath): boolean {
  let value = values;
  for (const step of path) {
    if (!isMapping(value) || !Object.hasOwn(value, step)) return false;
    value = value[step];
  }
  return true;
}
