/** Whether the mirror could listen where it is configured to, and how a failure to is told. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Config } from '../config/schema.ts';

type Listen = Pick<Config['listen'], 'host' | 'port'>;

/** Ports from here on need no privilege. */
const FIRST_FREE_PORT = 1024;

/**
 * Listens for an instant, on another port where that tells as much: the configured one may be another's by now, or the mirror's own.
 * Undefined if it can, else why not, in one line.
 */
export async function listenProblem({ host, port }: Listen): Promise<string | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port: port < FIRST_FREE_PORT ? port : 0 });
    await once(server, 'listening');
    return undefined;
  } catch (error) {
    return codeOf(error) === 'EADDRINUSE' ? undefined : listenError(error, { host, port });
  } finally {
    server.close();
  }
}

export function listenError(error: unknown, { host, port }: Listen): string {
  const where = `${bracketed(host)}:${port}`;
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `cannot listen on ${where}: the port is in use; choose another with --port`;
    case 'EACCES':
      return `cannot listen on ${where}: ports below ${FIRST_FREE_PORT} need a privilege; choose another with --port`;
    case 'EADDRNOTAVAIL':
      return `cannot listen on ${where}: this machine has no such address; choose another with --host`;
    case 'ENOTFOUND':
      return `cannot listen on ${where}: the name is not known; choose another with --host`;
    default:
      return `cannot listen on ${where}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** As in a URL: an IPv6 address in brackets. */
export function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
