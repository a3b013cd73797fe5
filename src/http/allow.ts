/** Which client addresses are served: `listen.allow`. PURE. */
import { BlockList, isIP } from 'node:net';

export interface AllowList {
  /** `address` as a socket tells it; undefined (the client is gone) is nobody. */
  allows(address: string | undefined): boolean;
}

/**
 * Ranges are addresses or CIDRs that the configuration has checked; none of them serves everyone. An IPv4 address that
 * comes in IPv6 clothes (`::ffff:10.0.0.1`, what a socket on `::` tells) is the same as without them.
 */
export function createAllowList(ranges: readonly string[]): AllowList {
  if (ranges.length === 0) return { allows: () => true };
  // Named for its usual purpose; it only tells whether an address is in it, mapped addresses included.
  const list = new BlockList();
  for (const range of ranges) {
    const [address = '', bits] = range.split('/');
    const family = familyOf(address);
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return {
    allows(address) {
      // A link-local address may carry the interface it came in by.
      const plain = address?.replace(/%.*$/s, '') ?? '';
      return isIP(plain) !== 0 && list.check(plain, familyOf(plain));
    },
  };
}

/** True for the addresses by which a machine speaks to itself. */
export function isLoopback(address: string | undefined): boolean {
  return LOOPBACK.allows(address);
}

const LOOPBACK = createAllowList(['127.0.0.0/8', '::1']);

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 6 ? 'ipv6' : 'ipv4';
}
