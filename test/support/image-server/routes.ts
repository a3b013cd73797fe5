/** The well-behaved server: what each path answers once no step before has taken the request. */
import { isImageUuid } from '../../../src/imgapi/ids.ts';
import type { TestImage } from '../images.ts';
import type { Route } from './behaviour.ts';
import { isTagListed, sendError, sendJson, sha1Hex, writeHead } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import { sendImageFile, sendImageIcon } from './image-file.ts';
import { sendImageList } from './image-list.ts';
import { askedVersion, manifestFor, visibleImages } from './manifest-view.ts';

/** Which route a path belongs to, and the uuid in it (checked by nobody yet). */
export function routeOf(path: string): { route: Route; uuid: string | undefined } {
  if (path === '/ping') return { route: 'ping', uuid: undefined };
  if (path === '/images') return { route: 'list', uuid: undefined };
  if (path === '/channels') return { route: 'channels', uuid: undefined };
  const [, uuid, tail] = /^\/images\/([^/]+)(?:\/(file|icon))?$/.exec(path) ?? [];
  if (uuid === undefined) return { route: 'other', uuid: undefined };
  return { route: tail === 'file' || tail === 'icon' ? tail : 'manifest', uuid };
}

export async function answer(exchange: Exchange): Promise<void> {
  const { method, headers, path, route } = exchange.request;
  if (method !== 'GET') {
    refuseMethod(exchange, method);
    return;
  }
  if (askedVersion(headers['accept-version']) === undefined) {
    const version = String(headers['accept-version']);
    sendError(exchange, 400, 'InvalidVersion', `${version} is not supported by GET ${path}`);
    return;
  }
  switch (route) {
    case 'ping':
      ping(exchange);
      return;
    case 'channels':
      listChannels(exchange);
      return;
    case 'list': {
      const visible = visibleImages(exchange);
      if (visible !== undefined) await sendImageList(exchange, visible);
      return;
    }
    case 'manifest':
    case 'file':
    case 'icon': {
      const image = findImage(exchange);
      if (image !== undefined) await sendOfImage(exchange, image, route);
      return;
    }
    case 'other':
      sendError(exchange, 404, 'ResourceNotFound', `${exchange.request.url} does not exist`);
      return;
  }
}

async function sendOfImage(exchange: Exchange, image: TestImage, route: 'manifest' | 'file' | 'icon'): Promise<void> {
  if (route === 'file') await sendImageFile(exchange, image);
  else if (route === 'icon') await sendImageIcon(exchange, image);
  else sendManifest(exchange, image);
}

/** Reading HEAD is 405 on the real server; writes without auth are 401. */
function refuseMethod(exchange: Exchange, method: string): void {
  if (method === 'HEAD') sendError(exchange, 405, 'MethodNotAllowed', 'HEAD is not allowed');
  else sendError(exchange, 401, 'UnauthorizedError', 'Unauthorized');
}

function ping(exchange: Exchange): void {
  const name = exchange.request.query.get('error');
  if (name === null) sendJson(exchange, 200, { ping: 'pong', version: '4.13.1', imgapi: true });
  else if (name === 'ValidationFailed') sendError(exchange, 422, name, 'boom', []);
  else if (name === '') sendError(exchange, 500, 'InternalError', 'boom');
  else sendError(exchange, 422, 'InvalidParameter', `unknown error: ${name}`, [{ field: 'error', code: 'Invalid' }]);
}

function listChannels(exchange: Exchange): void {
  const { channels } = exchange.state;
  if (channels === undefined) sendError(exchange, 404, 'ResourceNotFound', '/channels does not exist');
  else sendJson(exchange, 200, channels);
}

/** The image of any state; undefined after the 404 or 422 has been sent. */
function findImage(exchange: Exchange): TestImage | undefined {
  const { uuid, url } = exchange.request;
  const { images } = exchange.state;
  if (!isImageUuid(uuid)) {
    sendError(exchange, 404, 'ResourceNotFound', `${url} does not exist`);
    return undefined;
  }
  const image = images.get(uuid);
  if (image === undefined) {
    sendError(exchange, 404, 'ResourceNotFound', `image ${uuid} not found`);
    return undefined;
  }
  const visible = visibleImages(exchange);
  if (visible === undefined) return undefined;
  if (visible.includes(image)) return image;
  sendError(exchange, 404, 'ResourceNotFound', 'image not found');
  return undefined;
}

function sendManifest(exchange: Exchange, image: TestImage): void {
  const { headers } = exchange.request;
  const manifest = manifestFor(exchange, image);
  const tag = sha1Hex(JSON.stringify(manifest));
  if (headers['if-match'] !== undefined && !isTagListed(headers['if-match'], tag)) {
    sendError(exchange, 412, 'PreconditionFailed', `if-match "${String(headers['if-match'])}" does not match etag`);
  } else if (isTagListed(headers['if-none-match'], tag)) {
    writeHead(exchange, 304, { Etag: tag });
    exchange.response.end();
  } else {
    sendJson(exchange, 200, manifest, { Etag: tag });
  }
}
