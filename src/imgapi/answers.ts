/**
 * The errors a client of a real image server would see, word for word: sdc-clients and people match on these messages.
 */
import { MirrorError } from './errors.ts';

/** 404 for a uuid that every upstream confirmed absent. */
export function imageNotFound(uuid: string): MirrorError {
  return new MirrorError('ResourceNotFound', `image ${uuid} not found`);
}

/** 404 for an image that exists, but not in the channel asked for. The real server names no uuid here. */
export function imageNotInChannel(): MirrorError {
  return new MirrorError('ResourceNotFound', 'image not found');
}

/** 404 for a path that is no route, or whose uuid is not a lower-case uuid; `url` is the request target with its query. */
export function pathNotFound(url: string): MirrorError {
  return new MirrorError('ResourceNotFound', `${url} does not exist`);
}

/** 404 for `?index=N` beyond the image's files. */
export function noFileAtIndex(uuid: string, index: number): MirrorError {
  return new MirrorError('ResourceNotFound', `image "${uuid}" has no file at index ${index}`);
}

/** 404 for the icon of an image without one. */
export function noIcon(uuid: string): MirrorError {
  return new MirrorError('ResourceNotFound', `image "${uuid}" has no icon`);
}

/** 422 for a `?channel=` that no upstream has, where at least one has channels. */
export function unknownChannel(name: string): MirrorError {
  return new MirrorError('ValidationFailed', `unknown channel: ${name}`, {
    errors: [{ field: 'channel', code: 'Invalid' }],
  });
}

/** 400 for an Accept-Version that neither version satisfies; `path` is without its query. */
export function unsupportedVersion(acceptVersion: string, method: string, path: string): MirrorError {
  return new MirrorError('InvalidVersion', `${acceptVersion} is not supported by ${method} ${path}`);
}

/** 503 for what is not on the disk of a mirror that asks nobody; `what` such as `its file`. */
export function notHereOffline(uuid: string, what: string): MirrorError {
  const there = `run "imgapi-mirror prefetch ${uuid}" and "imgapi-mirror export ${uuid} -o FILE" on a connected mirror`;
  return new MirrorError(
    'Offline',
    `image ${uuid}: ${what} is not cached here and this mirror is offline; ${there}, then "imgapi-mirror import FILE" here`,
  );
}

/** 508 for what was asked of this mirror, or of this upstream, by this mirror itself. */
export function loopDetected(upstream: string): MirrorError {
  const text = `upstream ${upstream} leads back to this mirror: check its url, and what its name resolves to`;
  return new MirrorError('LoopDetected', text, { details: { upstream, reason: 'status', status: 508 } });
}

/** 401 for every write: the mirror is read-only to clients. */
export function unauthorized(): MirrorError {
  return new MirrorError('UnauthorizedError', 'Unauthorized');
}

/** 405 for a method the path does not have. `allow`: the ones it has, as the header lists them. */
export function methodNotAllowed(method: string, allow = 'GET, HEAD'): MirrorError {
  return new MirrorError('MethodNotAllowedError', `${method} is not allowed`, { details: { allow } });
}
