/** What the mirror says of itself when it starts: a few lines for the person at the terminal. PURE. */
import { escape } from '../config/problem.ts';
import type { Config } from '../config/schema.ts';
import { formatSize } from '../config/units.ts';
import { isLoopback } from '../http/allow.ts';

export interface StartFacts {
  readonly config: Config;
  /** The cache directory, absolute. */
  readonly dir: string;
  /** How hosts reach the mirror. */
  readonly url: string;
  readonly version: string;
}

export function startLines({ config, dir, url, version }: StartFacts): string[] {
  const { maxBytes, minFreeBytes } = config.cache;
  const { host, publicUrl } = config.listen;
  const isAlone = publicUrl === null && (host === 'localhost' || isLoopback(host));
  const most = maxBytes === null ? 'as much as the disk gives' : `at most ${formatSize(maxBytes)}`;
  return [
    `imgapi-mirror ${version}`,
    `  ${isAlone ? 'here and only here:' : 'on a SmartOS host: '} imgadm sources -a ${escape(url)}`,
    `  cache:              ${escape(dir)} (${most}, ${formatSize(minFreeBytes)} of the disk left free)`,
    ...(config.offline ? ['  offline:            no upstream is asked, what is cached or imported is served'] : []),
    ...config.upstreams.map(({ name, url: from }) => `  upstream:           ${escape(name)}  ${escape(from)}`),
    ...(isAlone
      ? [`warning: it listens on ${host}, where only this machine reaches it: --host 0.0.0.0 lets other hosts in`]
      : []),
  ];
}

/** One upstream's first answer. `problem` names the upstream; undefined: it answered. */
export function upstreamLine(name: string, elapsedMs: number, problem: string | undefined): string {
  if (problem === undefined) return `  upstream ${escape(name)} answers (${Math.round(elapsedMs)} ms)`;
  return `  no answer from ${escape(problem)} (it will be asked again)`;
}

/** A clock that differs from an upstream's by more than it should; `skewMs` is positive where this machine's is ahead. */
export function clockLine(name: string, skewMs: number): string {
  const minutes = Math.round(Math.abs(skewMs) / 60_000);
  const direction = skewMs > 0 ? 'ahead of' : 'behind';
  return `warning: the clock of this machine is ${minutes} min ${direction} that of upstream ${escape(name)}`;
}
