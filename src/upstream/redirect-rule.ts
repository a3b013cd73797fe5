/** Which redirects of an upstream are followed. PURE. */
import { unavailable } from './unavailable.ts';

export interface RedirectRuleOptions {
  /** The upstream's name, for errors. */
  readonly name: string;
  readonly url: string;
  /** Origins other than its own that it may lead to, such as `https://cdn.example.com`. */
  readonly allowRedirectsTo: readonly string[];
}

/** Returns the URL to ask next; throws `UpstreamUnavailable` if it must not be asked. */
export type RedirectRule = (from: URL, location: string | undefined, hops: number) => URL;

const MAX_HOPS = 3;

/** At most three hops, within the upstream's origin or to one that is allowed, and never from https to http. */
export function createRedirectRule(options: RedirectRuleOptions): RedirectRule {
  const { name } = options;
  const allowed = new Set([options.url, ...options.allowRedirectsTo].map((url) => new URL(url).origin));

  return (from, location, hops) => {
    const to = location === undefined ? null : URL.parse(location, from.href);
    const refuse = (why: string): Error =>
      unavailable(name, 'body', `redirected from ${from.pathname} to ${shown(location, to)}: ${why}`);
    if (hops > MAX_HOPS) throw refuse(`more than ${MAX_HOPS} redirects`);
    if (to === null) throw refuse('no URL to go to');
    if (from.protocol === 'https:' && to.protocol !== 'https:') throw refuse('from https to a protocol that is not');
    if (!allowed.has(to.origin)) throw refuse('another origin, which allowRedirectsTo does not name');
    if (to.username !== '' || to.password !== '') throw refuse('a URL with credentials');
    return to;
  };
}

/** Without what may be secret of it: credentials, and a query, which signs the URLs of storage services. */
function shown(location: string | undefined, to: URL | null): string {
  if (location === undefined) return 'nowhere';
  return to === null && location.includes('@') ? 'text with an @' : JSON.stringify(plain(location, to).slice(0, 200));
}

function plain(location: string, to: URL | null): string {
  if (to === null) return location.replace(/[?#].*$/s, '');
  // Of other protocols the path may be all there is, credentials and all.
  return /^https?:$/.test(to.protocol) ? to.origin + to.pathname : to.protocol;
}
