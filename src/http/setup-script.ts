/**
 * The script of `GET /_mirror/setup.sh`: adds this mirror to a SmartOS host's image sources. POSIX sh alone (dash, ksh93,
 * bash), and nothing in it comes from a request but a URL whose characters were all checked. PURE.
 */
import { isIPv6 } from 'node:net';
import { shellQuote } from '../config/shell-quote.ts';
import { isLoopback } from './allow.ts';

/** A host name or an IPv4 address, `_` included as some LANs have it; RFC 1123 section 2.1 bounds its length. */
const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_][a-z0-9_-]{0,62})*\.?$/i;
const HOST_AND_PORT = /^(?:\[(?<ipv6>[0-9a-f:.]{2,45})\]|(?<name>[a-z0-9._-]{1,254}))(?::(?<port>\d{1,5}))?$/i;

/**
 * The URL a client used, from the `Host` header values of its request: `scheme://name[:port]`, in lower case. Undefined unless there
 * is exactly one and it holds a name, an IPv4 address or an [IPv6] address, perhaps a port, and nothing else.
 */
export function urlOfHost(scheme: 'http' | 'https', hosts: readonly string[]): string | undefined {
  const [host, ...others] = hosts;
  if (host === undefined || others.length > 0) return undefined;
  const { ipv6, name, port } = HOST_AND_PORT.exec(host)?.groups ?? {};
  if (ipv6 === undefined ? name === undefined || !NAME.test(name) : !isIPv6(ipv6)) return undefined;
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) return undefined;
  return `${scheme}://${host.toLowerCase()}`;
}

/** True for a URL by which a machine reaches itself alone. */
function isOwnMachine(url: string): boolean {
  // What `Host` may hold is not always a host to the letter of the URL standard.
  const hostname = URL.parse(url)?.hostname ?? '';
  return hostname === 'localhost' || hostname === 'localhost.' || isLoopback(hostname.replaceAll(/[[\]]/g, ''));
}

/** `url`: the mirror's, as hosts reach it. `product`: `imgapi-mirror/x.y.z`. */
export function setupScript({ url, product }: { readonly url: string; readonly product: string }): string {
  // imgadm drops slashes at the end; without them the comparison with what it lists is right.
  const bare = url.replace(/\/+$/, '');
  const mirror = shellQuote(bare);
  const warning = isOwnMachine(bare)
    ? `
  echo ${shellQuote(`Warning: ${bare} is this machine itself. On any other host fetch this script by a name or address of the mirror.`)} >&2`
    : '';
  const command = shellQuote(`imgadm sources -a ${mirror}`);
  // Everything is in functions, called on the last line: a script that arrives in part does nothing.
  return `#!/bin/sh
# Adds an image mirror (${product}) to the image sources of this SmartOS host.
# Removes nothing, and does nothing if the mirror is a source already.

mirror=${mirror}
newline='
'

# The sources on standard input that are not the mirror, each with the command that would remove it.
list_others() {
  while IFS= read -r source; do
    case "$source" in
      ('' | "$mirror" | "$mirror/") ;;
      (*) printf "  imgadm sources -d '%s'\\n" "$source" ;;
    esac
  done
}

main() {${warning}
  if ! command -v imgadm >/dev/null 2>&1; then
    echo 'There is no imgadm here: run this in the global zone of a SmartOS host.' >&2
    return 1
  fi
  if ! sources=$(imgadm sources </dev/null); then
    echo '"imgadm sources" failed; nothing was changed.' >&2
    return 1
  fi
  case "$newline$sources$newline" in
    (*"$newline$mirror$newline"* | *"$newline$mirror/$newline"*)
      printf 'Already a source of this host: %s\\n' "$mirror"
      ;;
    (*)
      printf '%s\\n' ${command}
      if ! imgadm sources -a "$mirror" </dev/null; then
        printf 'The mirror could not be added. Does this host reach it? Try: curl -v %s/ping\\n' "$mirror" >&2
        case "$mirror" in
          (https:*) echo 'A certificate from no public authority is taken only with IMGADM_INSECURE=1.' >&2 ;;
        esac
        return 1
      fi
      ;;
  esac
  others=$(printf '%s\\n' "$sources" | list_others)
  if [ -n "$others" ]; then
    echo
    echo 'Other sources, which imgadm goes on asking, in the order of "imgadm sources". To remove one:'
    printf '%s\\n' "$others"
  fi
}

main
`;
}
