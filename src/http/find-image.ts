/** From a request's uuid and channel to the image, or to the error a real server would answer. */
import type { FastifyRequest } from 'fastify';
import type { Catalog } from '../catalog/catalog.ts';
import type { FoundImage, Resolver } from '../catalog/resolve.ts';
import type { Snapshot } from '../catalog/snapshot.ts';
import { imageNotFound, imageNotInChannel } from '../imgapi/answers.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { QueryParams } from '../imgapi/list-query.ts';
import { channelParam, imageUuid } from './image-params.ts';

export interface ImageLookup {
  readonly catalog: Catalog;
  readonly resolver: Resolver;
}

export interface RequestedImage extends FoundImage {
  readonly channel: string | undefined;
  /** The catalog as this request's channel sees it, if there is one yet. */
  readonly snapshot: Snapshot | undefined;
}

export async function findImage(
  deps: ImageLookup,
  request: FastifyRequest<{ Params: { uuid: string }; Querystring: QueryParams }>,
): Promise<RequestedImage> {
  const uuid = imageUuid(request.params.uuid, request.url);
  const channel = channelParam(request.query);
  const found = await deps.resolver.resolve({ uuid, channel, requestId: request.mirror.requestId });
  if (found.kind === 'found') return { ...found, channel, snapshot: deps.catalog.peek(channel)?.snapshot };
  throw (await isElsewhere(deps, uuid, channel, request.mirror.requestId)) ? imageNotInChannel() : imageNotFound(uuid);
}

/** Whether an image that one channel does not have is in another: the real server's message tells the two apart. */
async function isElsewhere(
  deps: ImageLookup,
  uuid: ImageUuid,
  channel: string | undefined,
  requestId: string,
): Promise<boolean> {
  if (channel === '*' || deps.catalog.feeds().every((feed) => (feed.channels ?? []).length === 0)) return false;
  if (deps.catalog.knows(uuid)) return true;
  try {
    return (await deps.resolver.resolve({ uuid, channel: '*', requestId })).kind === 'found';
  } catch {
    // It is only about the message of a 404 that is certain already.
    return false;
  }
}
