/**
 * Finds loops: every request to an upstream carries our mark in `Via` (RFC 9110, section 7.6.3), and one that arrives with
 * a mark of ours was sent by ourselves, as when local DNS points an image server's name at its mirror.
 */
import { randomBytes } from 'node:crypto';

export interface Via {
  /** The header's value for requests to this upstream. */
  headerFor(upstream: string): string;
  /** The name of the upstream through which a request came back to us; undefined for any other request. */
  upstreamIn(header: string | readonly string[] | undefined): string | undefined;
}

/** More entries than any sane chain of proxies has are not looked through. */
const MAX_ENTRIES = 32;

/** `instanceId` names this process among all others. Default: 16 random hex digits. */
export function createVia(instanceId: string = randomBytes(8).toString('hex')): Via {
  const upstreamOf = new Map<string, string>();

  return {
    headerFor(upstream) {
      // The pseudonym is a token: no colon of a name like `host:8080`. Names hold no `~`, so they stay different.
      const pseudonym = `imgapi-mirror-${instanceId}-${upstream.replaceAll(/[^\w.-]/g, '~')}`;
      upstreamOf.set(pseudonym, upstream);
      return `1.1 ${pseudonym}`;
    },

    upstreamIn(header) {
      if (header === undefined) return undefined;
      const text = typeof header === 'string' ? header : header.join(',');
      // Proxies on the way have added theirs: `1.1 ours, 1.1 proxy (squid)`.
      for (const entry of text.split(',', MAX_ENTRIES)) {
        const [, pseudonym = ''] = entry.trim().split(/\s+/, 2);
        const upstream = upstreamOf.get(pseudonym);
        if (upstream !== undefined) return upstream;
      }
      return undefined;
    },
  };
}
