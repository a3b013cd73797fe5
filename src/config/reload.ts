/** What a new configuration changes for a mirror that runs: what it can take at once, and what needs a restart. PURE. */
import { isDeepStrictEqual } from 'node:util';
import { listKeys } from './keys.ts';
import { entryOf, isMapping } from './mapping.ts';
import type { Config } from './schema.ts';

/** Keys that a running mirror applies; all others are read at start alone. */
export const LIVE_KEYS: readonly string[] = [
  'listen.tls.certFile',
  'listen.tls.keyFile',
  'listen.allow',
  'listen.maxResponsesPerClient',
  'listen.clientStallTimeout',
  'listen.drainTimeout',
  'upstreams[].bandwidth.limit',
  'upstreams[].bandwidth.schedule',
  'catalog.refreshEvery',
  'catalog.listOnlyCached',
  'catalog.negativeTtl',
  'cache.finishAbandoned',
  'cache.keepPartials',
  'cache.keepQuarantined',
  'cache.scrubEvery',
  'prefetch',
  'log.level',
];

export interface ConfigChanges {
  /** Names of keys that differ and are applied, in the schema's order. */
  readonly live: readonly string[];
  /** Names of keys that differ and stay as they are until a restart; of lists the list's. */
  readonly needRestart: readonly string[];
  /** What is in force then: the new values of live keys, the running ones of all others. */
  readonly config: Config;
}

/** Compares what runs with what was read. */
export function compareConfigs(running: Config, next: Config): ConfigChanges {
  const live: string[] = [];
  const needRestart: string[] = [];
  let config: unknown = running;
  // A port speaks HTTP or HTTPS; which, is settled when it is opened.
  const isTlsSwitched = (running.listen.tls.certFile === null) !== (next.listen.tls.certFile === null);
  for (const { name, path } of listKeys()) {
    // The keys inside of lists and nullable sections are compared with the whole.
    const isInside = name !== path.join('.');
    if (isInside) continue;
    const [before, after] = [valueAt(running, path), valueAt(next, path)];
    if (isDeepStrictEqual(before, after)) continue;
    if (name === 'upstreams') {
      const upstreams = withBandwidths(running, next);
      for (const key of ['limit', 'schedule'] as const) {
        const isChanged = upstreams.some(
          ({ bandwidth }, index) => !isDeepStrictEqual(bandwidth[key], running.upstreams[index]?.bandwidth[key]),
        );
        if (isChanged) live.push(`upstreams[].bandwidth.${key}`);
      }
      config = withValue(config, path, upstreams);
      if (!isDeepStrictEqual(upstreams, after)) needRestart.push(name);
      continue;
    }
    if (LIVE_KEYS.includes(name) && !(isTlsSwitched && name.startsWith('listen.tls.'))) {
      live.push(name);
      config = withValue(config, path, after);
    } else {
      needRestart.push(name);
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every value comes from one of two configurations, at its own key
  return { live, needRestart, config: config as Config };
}

/** The running upstreams, each with the new bandwidth of the one that has its name. */
function withBandwidths(running: Config, next: Config): Config['upstreams'] {
  return running.upstreams.map((upstream) => {
    const same = next.upstreams.find(({ name }) => name === upstream.name);
    return same === undefined ? upstream : { ...upstream, bandwidth: same.bandwidth };
  });
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  let inner = value;
  for (const step of path) inner = entryOf(inner, step);
  return inner;
}

function withValue(value: unknown, [step, ...rest]: readonly string[], replacement: unknown): unknown {
  if (step === undefined) return replacement;
  const mapping = isMapping(value) ? value : {};
  return { ...mapping, [step]: withValue(mapping[step], rest, replacement) };
}
