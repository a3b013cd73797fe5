/** `GET /_mirror/ready`: whether the mirror can serve, and what is wrong with it; 503 where it cannot. */
import type { FastifyInstance } from 'fastify';
import type { Readiness } from '../../operations/ready.ts';
import { jsonBody, type JsonSender } from '../json-reply.ts';

export function readyRoute(
  app: FastifyInstance,
  deps: { readonly sendJson: JsonSender; readonly readiness: Readiness },
): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/_mirror/ready',
    config: { name: 'ready' },
    async handler(request, reply) {
      const { ready, reasons } = await deps.readiness.verdict();
      reply.code(ready ? 200 : 503).header('cache-control', 'no-store');
      return deps.sendJson(request, reply, jsonBody({ ready, reasons }));
    },
  });
}
