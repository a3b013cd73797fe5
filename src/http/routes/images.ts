/** `GET /images`: the merged list, filtered here; no query of a client is ever forwarded. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { CachedOnly } from '../../catalog/cached-only.ts';
import type { Catalog, CatalogView } from '../../catalog/catalog.ts';
import type { Resolver } from '../../catalog/resolve.ts';
import { imageNotFound } from '../../imgapi/answers.ts';
import {
  isPlain,
  parseListQuery,
  selectImages,
  type ListPosition,
  type ListQuery,
  type QueryParams,
} from '../../imgapi/list-query.ts';
import { ageSeconds } from '../age.ts';
import { channelParam } from '../image-params.ts';
import type { JsonSender } from '../json-reply.ts';
import { apiVersionOf } from '../server.ts';

export interface ImagesRouteDeps {
  readonly sendJson: JsonSender;
  readonly catalog: Catalog;
  readonly resolver: Resolver;
  readonly cachedOnly: CachedOnly;
  /** Read for every list. */
  readonly isOnlyCachedListed: boolean;
  /** ms since the epoch. */
  readonly now: () => number;
}

export function imagesRoute(app: FastifyInstance, deps: ImagesRouteDeps): void {
  app.route<{ Querystring: QueryParams }>({
    method: ['GET', 'HEAD'],
    url: '/images',
    config: { name: 'images', isImgapi: true },
    async handler(request, reply) {
      const version = apiVersionOf(request);
      const channel = channelParam(request.query);
      const query = parseListQuery(request.query);
      const view = await deps.catalog.view(channel);
      const listed = await (deps.isOnlyCachedListed
        ? deps.cachedOnly.filter(view.snapshot.entries)
        : view.snapshot.entries);
      const entries = isPlain(query)
        ? listed
        : selectImages(listed, query, await markerPosition(request, query, view, channel));
      request.mirror.cache = view.isStale ? 'STALE' : 'HIT';
      reply.header('x-cache', request.mirror.cache).header('age', ageSeconds(view.fetchedAtMs, deps.now()));
      return deps.sendJson(request, reply, view.snapshot.listText(entries, version));
    },
  });

  /**
   * Where a uuid marker stands. It must resolve whatever became of its image (imgadm loses its whole list otherwise):
   * one that is listed nowhere is looked up like a GET, and only a confirmed absence is 404.
   */
  async function markerPosition(
    request: FastifyRequest,
    query: ListQuery,
    view: CatalogView,
    channel: string | undefined,
  ): Promise<ListPosition | undefined> {
    if (query.marker?.kind !== 'uuid') return undefined;
    const { uuid } = query.marker;
    const listed = view.snapshot.get(uuid);
    if (listed !== undefined) return listed.manifest;
    const { requestId } = request.mirror;
    const found = await deps.resolver.resolve({ uuid, channel, requestId });
    if (found.kind === 'absent') throw imageNotFound(uuid);
    return found.entry.manifest;
  }
}
