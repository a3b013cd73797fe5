/** `GET /images/:uuid`: one manifest, as its upstream wrote it, in any state. */
import type { FastifyInstance } from 'fastify';
import type { Resolver } from '../../catalog/resolve.ts';
import { manifestEtag, manifestText } from '../../imgapi/manifest.ts';
import { MirrorError } from '../../imgapi/errors.ts';
import type { QueryParams } from '../../imgapi/list-query.ts';
import { ageSeconds } from '../age.ts';
import { matchesTag } from '../conditional.ts';
import { findImage, type ImageLookup } from '../find-image.ts';
import type { JsonSender } from '../json-reply.ts';
import { apiVersionOf } from '../server.ts';

export interface ImageRouteDeps extends ImageLookup {
  readonly sendJson: JsonSender;
  readonly resolver: Resolver;
  /** ms since the epoch. */
  readonly now: () => number;
}

export function imageRoute(app: FastifyInstance, deps: ImageRouteDeps): void {
  app.route<{ Params: { uuid: string }; Querystring: QueryParams }>({
    method: ['GET', 'HEAD'],
    url: '/images/:uuid',
    config: { name: 'image', isImgapi: true },
    async handler(request, reply) {
      const version = apiVersionOf(request);
      const found = await findImage(deps, request);
      const listed = found.snapshot?.manifestBody(found.entry, version);
      const { body, etag } = listed ?? {
        body: Buffer.from(manifestText(found.entry.manifest, version)),
        etag: manifestEtag(found.entry.manifest, version),
      };
      request.mirror.cache = found.cache;
      reply
        .header('etag', etag)
        .header('x-cache', found.cache)
        .header('age', ageSeconds(found.fetchedAtMs, deps.now()));
      const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = request.headers;
      if (ifMatch !== undefined && !matchesTag(ifMatch, etag)) {
        throw new MirrorError('PreconditionFailedError', `if-match '${ifMatch}' didn't match etag '${etag}'`);
      }
      if (matchesTag(ifNoneMatch, etag)) return reply.code(304).send();
      return deps.sendJson(request, reply, body);
    },
  });
}
