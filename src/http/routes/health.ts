/** `GET /_mirror/health`: the process is alive. Touches neither disk nor upstream. */
import type { FastifyInstance } from 'fastify';
import { jsonBody, type JsonSender } from '../json-reply.ts';

export function healthRoute(
  app: FastifyInstance,
  deps: { readonly sendJson: JsonSender; readonly version: string },
): void {
  const body = jsonBody({ status: 'ok', version: deps.version });
  app.route({
    method: ['GET', 'HEAD'],
    url: '/_mirror/health',
    config: { name: 'health' },
    handler: async (request, reply) => deps.sendJson(request, reply, body),
  });
}
