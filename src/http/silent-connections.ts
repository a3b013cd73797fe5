/**
 * Connections on which no request has come yet: a browser's preconnect, a TCP health check. Node does not count them as
 * idle, so without this each would hold up a stop until the drain ends.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import { Server as TlsServer } from 'node:tls';

export interface SilentConnections {
  /** Closes them all. */
  destroy(): void;
}

/** Begins to watch a server; before it listens. */
export function trackSilentConnections(server: Server): SilentConnections {
  const silent = new Set<Socket>();
  // Under TLS requests come on the secured socket, not on the one below it.
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('request', ({ socket }: IncomingMessage) => silent.delete(socket));
  return {
    destroy() {
      for (const socket of silent) socket.destroy();
    },
  };
}
