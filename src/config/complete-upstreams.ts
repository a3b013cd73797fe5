/** What about upstreams follows from several keys at once: URLs by kind, names from URLs, no name twice. */
import { checkFormat, checkHttpUrl } from './formats.ts';
import { foundButWants, quote, type KeyPath, type Report } from './problem.ts';
import type { UpstreamConfig } from './schema.ts';

/** An upstream as far as it could be resolved; wrong keys are undefined. */
export type PartialUpstream = Omit<UpstreamConfig, 'name' | 'url'> & {
  readonly name?: string | undefined;
  readonly url?: string | undefined;
};

/**
 * Tidies each URL and gives each upstream a name: its own, else its URL's host, else `host:port` where another one has that host's name.
 * Problems are reported; entries that have one come back as far as they are known.
 */
export function completeUpstreams(upstreams: readonly PartialUpstream[], report: Report): readonly PartialUpstream[] {
  const tidy = upstreams.map((upstream, index): PartialUpstream =>
    Object.assign({}, upstream, { url: checkUrl(upstream, ['upstreams', index, 'url'], report) }),
  );
  const named = tidy.map((upstream): PartialUpstream =>
    Object.assign({}, upstream, { name: upstream.name ?? derivedName(upstream, tidy) }),
  );
  const taken = new Map<string, number>();
  for (const [index, { name }] of named.entries()) {
    if (name === undefined) continue;
    const path: KeyPath = ['upstreams', index, 'name'];
    // A given name has been checked with its key; a host can be too long to be one.
    const checked = checkFormat('upstream-name', name);
    if ('wants' in checked) report(path, `the host ${quote(name)} cannot be its name; ${checked.wants} would do`);
    const earlier = taken.get(name.toLowerCase());
    if (earlier === undefined) taken.set(name.toLowerCase(), index);
    else report(path, `${quote(name)} is the name of upstreams[${earlier}] too; another name would do`);
  }
  return named;
}

/** What is allowed but should be known to whoever starts the mirror; one line each. */
export function upstreamWarnings(upstreams: readonly UpstreamConfig[]): string[] {
  return upstreams.flatMap(({ name, url, insecure, headers }) => {
    const warnings: string[] = [];
    if (insecure) warnings.push(`upstream ${name}: certificate checks are off (insecure: true)`);
    const sendsSecrets = Object.keys(headers).some((header) => /^(?:proxy-)?authorization$|^cookie$/i.test(header));
    if (sendsSecrets && url.startsWith('http:')) warnings.push(`upstream ${name}: its credentials go over plain http`);
    return warnings;
  });
}

function checkUrl({ kind, url }: PartialUpstream, path: KeyPath, report: Report): string | undefined {
  // A directory's url is a path.
  if (url === undefined || kind === 'directory') return url;
  const checked = checkHttpUrl(url);
  if ('value' in checked) return checked.value;
  report(path, foundButWants(url, checked.wants));
  return undefined;
}

function derivedName(upstream: PartialUpstream, all: readonly PartialUpstream[]): string | undefined {
  const host = hostName(upstream);
  if (host === undefined) return undefined;
  const isTaken = all.some((other) => other !== upstream && (other.name ?? hostName(other))?.toLowerCase() === host);
  if (!isTaken) return host;
  const { port, protocol } = new URL(upstream.url ?? '');
  return `${host}:${port === '' ? (protocol === 'https:' ? '443' : '80') : port}`;
}

function hostName({ url }: PartialUpstream): string | undefined {
  const host = url === undefined ? undefined : URL.parse(url)?.hostname;
  // An IPv6 address stands in brackets, and `::1` is no name where `0::1` is one and the same address.
  return host?.replaceAll(/[[\]]/g, '').replace(/^:/, '0:');
}
