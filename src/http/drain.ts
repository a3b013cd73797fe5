/** Ends a server without breaking off what it is answering, within a bound. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import type { SilentConnections } from './silent-connections.ts';
import type { SecureServers } from './tls.ts';

/** How often connections whose last response has just ended are looked for, ms. */
const LOOK_EVERY_MS = 100;

/**
 * Stops accepting at once, lets running responses end within `drainMs`, then breaks off those that are left. A client's
 * idle connection holds nothing up. `onLook` is called now and then meanwhile.
 */
export async function drainServer(
  server: FastifyInstance,
  options: {
    readonly drainMs: number;
    readonly silent: SilentConnections;
    readonly secure?: SecureServers | undefined;
    readonly onLook: () => void;
  },
): Promise<void> {
  const { drainMs, silent, secure, onLook } = options;
  const late = new AbortController();
  const closed = server.close().finally(() => late.abort());
  const until = performance.now() + drainMs;
  silent.destroy();
  secure?.dropHandshakes();
  onLook();
  while (!late.signal.aborted && performance.now() < until) {
    const waitMs = Math.min(LOOK_EVERY_MS, until - performance.now());
    // Rejects only because there is nothing to look for any more.
    await Promise.race([closed, sleep(waitMs, undefined, { signal: late.signal }).catch(() => {})]);
    // Node closes those that are idle when it is told to close; a response that ends later leaves another one.
    server.server.closeIdleConnections();
    silent.destroy();
    onLook();
  }
  server.server.closeAllConnections();
  secure?.dropHandshakes();
  await closed;
}
