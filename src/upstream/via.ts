/**
 * Finds loops: every request to an upstream carries our mark in `Via` (RFC 9110, section 7.6.3), and one that arrives with
 * a mark of ours was sent by ourselves, as when local DNS points an image server's name at its mirror.
 *
 * Mirrors refresh their lists on their own account, so no mark of A comes back to A where A asks B and B asks A. Therefore
 * a mirror's answers to mirrors carry a `Via` too: who has answered, and through whom its own answers may have come. An
 * upstream whose answers come through us leads back to us.
 */
import { randomBytes } from 'node:crypto';

export interface Via {
  /** The header's value for requests to this upstream. */
  headerFor(upstream: string): string;
  /** The name of the upstream through which a request came back to us; undefined for any other request. */
  upstreamIn(header: string | readonly string[] | undefined): string | undefined;
  /** True if a mirror has sent the request. */
  isMirrors(header: string | readonly string[] | undefined): boolean;
  /** The header's value for answers to mirrors: us, then all that our upstreams' answers come through. */
  answerHeader(): string;
  /** Takes the `Via` of an upstream's answer; undefined: it had none, or what was known of it holds no more. */
  learn(upstream: string, header: string | undefined): void;
  /** True if the upstream's answers come through us. */
  leadsBack(upstream: string): boolean;
}

/** More entries than any sane chain of proxies has are not looked through, and no more are passed on. */
const MAX_ENTRIES = 32;

/** `instanceId` names this process among all others. Default: 16 random hex digits. */
export function createVia(instanceId: string = randomBytes(8).toString('hex')): Via {
  const upstreamOf = new Map<string, string>();
  /** The mirrors that each upstream's last answer came through, the upstream itself first. */
  const behind = new Map<string, readonly string[]>();

  return {
    headerFor(upstream) {
      // The pseudonym is a token: no colon of a name like `host:8080`. Names hold no `~`, so they stay different.
      const pseudonym = `imgapi-mirror-${instanceId}-${upstream.replaceAll(/[^\w.-]/g, '~')}`;
      upstreamOf.set(pseudonym, upstream);
      return `1.1 ${pseudonym}`;
    },

    upstreamIn(header) {
      for (const pseudonym of pseudonymsIn(header)) {
        const upstream = upstreamOf.get(pseudonym);
        if (upstream !== undefined) return upstream;
      }
      return undefined;
    },

    isMirrors: (header) => mirrorsIn(header).length > 0,

    answerHeader() {
      // The nearest first: of mirrors that are gone, whose names go round in a loop, those that are too many drop out.
      const ids = new Set([instanceId]);
      for (let at = 0; at < MAX_ENTRIES; at++) for (const known of behind.values()) ids.add(known[at] ?? instanceId);
      return [...ids]
        .slice(0, MAX_ENTRIES)
        .map((id) => `1.1 imgapi-mirror-${id}`)
        .join(', ');
    },

    learn: (upstream, header) => void behind.set(upstream, mirrorsIn(header)),
    leadsBack: (upstream) => behind.get(upstream)?.includes(instanceId) === true,
  };
}

/** The second words of the entries: `1.1 ours, 1.1 proxy (squid)`, as proxies on the way have added theirs. */
function pseudonymsIn(header: string | readonly string[] | undefined): string[] {
  if (header === undefined) return [];
  const text = typeof header === 'string' ? header : header.join(',');
  return text.split(',', MAX_ENTRIES).map((entry) => entry.trim().split(/\s+/, 2)[1] ?? '');
}

function mirrorsIn(header: string | readonly string[] | undefined): string[] {
  return pseudonymsIn(header).flatMap((pseudonym) => /^imgapi-mirror-([^-]+)/.exec(pseudonym)?.[1] ?? []);
}
