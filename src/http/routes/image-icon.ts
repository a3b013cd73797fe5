/** `GET /images/:uuid/icon`. */
import type { FastifyInstance } from 'fastify';
import type { Icons } from '../../downloads/icons.ts';
import { noIcon, notHereOffline } from '../../imgapi/answers.ts';
import type { QueryParams } from '../../imgapi/list-query.ts';
import { rememberedIsGone } from '../../trust/conflict.ts';
import { matchesTag } from '../conditional.ts';
import { findImage, type ImageLookup } from '../find-image.ts';

/** Its bytes are another server's, and the page is of the same origin as they: shown by itself an icon is to be able to do nothing. */
const POLICY = "default-src 'none'; sandbox";

export interface ImageIconRouteDeps extends ImageLookup {
  readonly icons: Icons;
  /** True: what is not stored is not fetched. */
  readonly isOffline: boolean;
}

export function imageIconRoute(app: FastifyInstance, deps: ImageIconRouteDeps): void {
  app.route<{ Params: { uuid: string }; Querystring: QueryParams }>({
    method: ['GET', 'HEAD'],
    url: '/images/:uuid/icon',
    config: { name: 'icon', isImgapi: true },
    async handler(request, reply) {
      const found = await findImage(deps, request);
      const { manifest, upstream } = found.entry;
      if (deps.isOffline && manifest.hasIcon && (await deps.icons.stored(manifest.uuid)) === undefined) {
        throw notHereOffline(manifest.uuid, 'its icon');
      }
      if (request.method === 'HEAD' && manifest.hasIcon && (await deps.icons.stored(manifest.uuid)) === undefined) {
        // HEAD answers from what is known and fetches nothing.
        request.mirror.cache = 'MISS';
        return reply.header('x-cache', 'MISS').send();
      }
      const isOthers = found.entry.isRemembered === true && !found.entry.upstreams.includes(upstream);
      if (manifest.hasIcon && isOthers && (await deps.icons.stored(manifest.uuid)) === undefined) {
        // What its upstream has under this uuid now is another image's.
        throw rememberedIsGone(manifest.uuid, 'icon');
      }
      const feed = deps.catalog.feeds().find((candidate) => candidate.upstream.name === upstream);
      const target = feed?.channelFor(found.channel);
      const channel = target?.kind === 'ask' ? target.channel : undefined;
      const { requestId } = request.mirror;
      const icon = manifest.hasIcon ? await deps.icons.get({ manifest, upstream, channel, requestId }) : undefined;
      if (icon === undefined) throw noIcon(manifest.uuid);
      request.mirror.cache = icon.cache;
      reply
        .header('x-cache', icon.cache)
        .header('etag', icon.sha1)
        .header('content-md5', icon.md5)
        .header('content-type', icon.contentType)
        .header('x-content-type-options', 'nosniff')
        .header('content-security-policy', POLICY);
      if (matchesTag(request.headers['if-none-match'], icon.sha1)) return reply.code(304).send();
      return reply.send(icon.bytes);
    },
  });
}
