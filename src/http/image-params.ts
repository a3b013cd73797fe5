/** The parts of an image request that are validated before anything else looks at them. */
import { pathNotFound } from '../imgapi/answers.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import type { QueryParams } from '../imgapi/list-query.ts';

const INDEX = /^\d{1,4}$/;

/** A lower-case uuid, or 404 `<url> does not exist`, as the real server answers. */
export function imageUuid(value: string, url: string): ImageUuid {
  if (!isImageUuid(value)) throw pathNotFound(url);
  return value;
}

/** `?channel=`; empty is none. Twice is 422. */
export function channelParam(query: QueryParams): string | undefined {
  const { channel } = query;
  if (channel === undefined || channel === '') return undefined;
  if (typeof channel !== 'string') throw invalid('channel', channel);
  return channel;
}

/** `?index=`, the file's place in `files`; 0 by default. */
export function indexParam(query: QueryParams): number {
  const { index } = query;
  if (index === undefined || index === '') return 0;
  if (typeof index !== 'string' || !INDEX.test(index)) throw invalid('index', index);
  return Number(index);
}

function invalid(field: string, value: unknown): MirrorError {
  const errors = [{ field, code: 'Invalid' as const }];
  return new MirrorError('InvalidParameter', `invalid ${field}: ${JSON.stringify(value)}`, { errors });
}
