/** `GET /ping`: what `imgadm sources -a` asks before it takes a source. */
import type { FastifyInstance } from 'fastify';
import { pingBody, pingError } from '../../imgapi/ping.ts';
import { jsonBody, type JsonSender } from '../json-reply.ts';

export function pingRoute(
  app: FastifyInstance,
  deps: { readonly sendJson: JsonSender; readonly product: string },
): void {
  const body = jsonBody(pingBody(deps.product));
  app.route<{ Querystring: { error?: string | string[] } }>({
    method: ['GET', 'HEAD'],
    url: '/ping',
    config: { name: 'ping', isImgapi: true },
    async handler(request, reply) {
      const { error } = request.query;
      if (error === undefined) return deps.sendJson(request, reply, body);
      const sample = pingError(Array.isArray(error) ? error.join(',') : error);
      return deps.sendJson(request, reply.code(sample.statusCode), jsonBody(sample.body));
    },
  });
}
