/** `GET /channels`: the upstreams' channels as one list; 404 where none has any, as the real server answers. */
import type { FastifyInstance } from 'fastify';
import type { Catalog } from '../../catalog/catalog.ts';
import { pathNotFound } from '../../imgapi/answers.ts';
import { jsonBody, type JsonSender } from '../json-reply.ts';

export function channelsRoute(
  app: FastifyInstance,
  deps: { readonly sendJson: JsonSender; readonly catalog: Catalog },
): void {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/channels',
    config: { name: 'channels', isImgapi: true },
    async handler(request, reply) {
      const channels = await deps.catalog.channels();
      if (channels.length === 0) throw pathNotFound(request.url);
      return deps.sendJson(request, reply, jsonBody(channels));
    },
  });
}
