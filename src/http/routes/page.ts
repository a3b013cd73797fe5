/** `/_mirror/`: the operator's pages and the files they need. Whatever is on them may be read by anybody who reads the images. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { pathNotFound } from '../../imgapi/answers.ts';
import { ASSETS } from '../../page/assets.ts';
import type { Page, RenderedPage } from '../../page/page.ts';
import type { Compressor } from '../compress.ts';
import { matchesTag } from '../conditional.ts';

export interface PageRouteDeps {
  readonly page: Page;
  readonly compressor: Compressor;
  /** Aborted when the mirror stops. */
  readonly stopping: AbortSignal;
}

/** Nothing comes from elsewhere, nothing is inline, nobody may put it in a frame. */
const POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'";
const CONFIG = { name: 'page' };

export function pageRoute(app: FastifyInstance, deps: PageRouteDeps): void {
  async function sendPacked(request: FastifyRequest, reply: FastifyReply, body: Buffer): Promise<FastifyReply> {
    const encoding = deps.compressor.choose(request.headers['accept-encoding'], body);
    reply.header('vary', 'accept-encoding').header('x-content-type-options', 'nosniff');
    if (encoding === undefined) return reply.send(body);
    return reply.header('content-encoding', encoding).send(await deps.compressor.compress(body, encoding));
  }

  async function sendPage(request: FastifyRequest, reply: FastifyReply, page: RenderedPage): Promise<FastifyReply> {
    reply
      .code(page.status)
      .header('content-type', 'text/html; charset=utf-8')
      .header('content-security-policy', POLICY)
      .header('referrer-policy', 'same-origin')
      .header('cache-control', 'no-store');
    return sendPacked(request, reply, Buffer.from(page.text));
  }

  app.route({
    method: ['GET', 'HEAD'],
    url: '/',
    config: CONFIG,
    async handler(request, reply) {
      // An image server has nothing there. A person who typed no more than the host means the page.
      if (!/\btext\/html\b/i.test(request.headers.accept ?? '')) throw pathNotFound(request.url);
      return reply.header('vary', 'accept').redirect('/_mirror/', 302);
    },
  });
  app.route({
    method: ['GET', 'HEAD'],
    url: '/_mirror',
    config: CONFIG,
    handler: async (_request, reply) => reply.redirect('/_mirror/', 308),
  });
  app.route({
    method: ['GET', 'HEAD'],
    url: '/_mirror/',
    config: CONFIG,
    handler: async (request, reply) => sendPage(request, reply, await deps.page.overview(request.query, deps.stopping)),
  });
  app.route<{ Params: { uuid: string } }>({
    method: ['GET', 'HEAD'],
    url: '/_mirror/images/:uuid',
    config: CONFIG,
    handler: async (request, reply) =>
      sendPage(request, reply, await deps.page.image(request.params.uuid, deps.stopping)),
  });
  app.route<{ Params: { hash: string; name: string } }>({
    method: ['GET', 'HEAD'],
    url: `${ASSETS}/:hash/:name`,
    config: CONFIG,
    async handler(request, reply) {
      const { hash, name } = request.params;
      const asset = await deps.page.asset(hash, name);
      if (asset === undefined) throw pathNotFound(request.url);
      reply.header('etag', `"${asset.etag}"`).header('cache-control', 'public, max-age=31536000, immutable');
      if (matchesTag(request.headers['if-none-match'], asset.etag)) return reply.code(304).send();
      reply.header('content-type', asset.contentType);
      return sendPacked(request, reply, asset.body);
    },
  });
}
