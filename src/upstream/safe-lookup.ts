/**
 * Name resolution that refuses addresses no image server on the Internet has: an upstream's name that resolves to
 * loopback, link-local or metadata addresses is a mistake or an attack (DNS rebinding), unless the operator allowed it.
 * The check is made on the address that is connected to, so nothing can change between check and use.
 */
import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { BlockList, isIPv6, type LookupFunction } from 'node:net';

/** Ranges a name must not resolve to: [network, prefix length]. RFC 1918 and ULA are allowed: a LAN may have servers. */
const REFUSED: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  // Metadata services outside link-local: Alibaba's, Oracle's, and AWS's over IPv6.
  ['100.100.100.200', 32],
  ['192.0.0.192', 32],
  ['::', 128],
  ['::1', 128],
  ['fe80::', 10],
  ['fd00:ec2::254', 128],
];

/** `dns.lookup` with `all`. */
export type ResolveAll = (
  name: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface SafeLookupOptions {
  /** CIDRs a name may resolve to all the same. */
  readonly allowAddresses: readonly string[];
  /** Host names written in the configuration that mean this machine: `localhost` where the operator wrote it. */
  readonly trustedNames: readonly string[];
  /** Resolves a name; tests put their own. */
  readonly resolve?: ResolveAll;
}

/** A `lookup` for net.connect and tls.connect. Fails with code `EREFUSEDADDRESS` when no allowed address is left. */
export function createSafeLookup(options: SafeLookupOptions): LookupFunction {
  const refused = blockList(REFUSED.map(([network, bits]) => `${network}/${bits}`));
  const allowed = blockList(options.allowAddresses);
  const resolve = options.resolve ?? dnsLookup;

  function isAllowed(hostname: string, { address }: LookupAddress): boolean {
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    return options.trustedNames.includes(hostname) || !refused.check(address, family) || allowed.check(address, family);
  }

  return (hostname, lookupOptions, callback) => {
    resolve(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
      if (error !== null) {
        callback(error, '', 0);
        return;
      }
      const usable = addresses.filter((address) => isAllowed(hostname, address));
      const [first] = usable;
      if (first === undefined) {
        const found = addresses.map(({ address }) => address).join(', ');
        const text = `${hostname} resolves to ${found}, which allowAddresses does not allow`;
        callback(Object.assign(new Error(text), { code: 'EREFUSEDADDRESS' }), '', 0);
      } else if (lookupOptions.all === true) {
        callback(null, usable);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}

/**
 * The same for a name that a proxy resolves, as far as it can be told here: `localhost` and all below it are this machine, or
 * the proxy's, wherever they are resolved (RFC 6761, section 6.3). What any other name is at the proxy nobody here knows.
 * Undefined: it may be asked for; else why not.
 */
export function refusedUnresolved(hostname: string, options: Omit<SafeLookupOptions, 'resolve'>): string | undefined {
  if (!/(?:^|\.)localhost\.?$/i.test(hostname) || options.trustedNames.includes(hostname)) return undefined;
  if (blockList(options.allowAddresses).check('127.0.0.1', 'ipv4')) return undefined;
  return `${hostname} is a name of the machine that resolves it, which allowAddresses does not allow`;
}

/** IPv4-mapped IPv6 addresses are checked as the IPv4 addresses they are: BlockList does so by itself. */
function blockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [network = '', bits] = cidr.split('/');
    const family = isIPv6(network) ? 'ipv6' : 'ipv4';
    list.addSubnet(network, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return list;
}
