/** What a client of one accept-version and channel sees of an image. */
import type { TestImage } from '../images.ts';
import { sendError } from './exchange.ts';
import type { Exchange, TestChannel } from './exchange.ts';

/** `1`: asked for version 1 (or none); `2`: for 2 or anything; undefined: not understood. */
export function askedVersion(acceptVersion: string | string[] | undefined): 1 | 2 | undefined {
  const asked = String(acceptVersion ?? '~1');
  if (/^[~^]?1(\.|$)/.test(asked)) return 1;
  return /^([~^]?2(\.|$)|>=?[12]|\*)/.test(asked) ? 2 : undefined;
}

/** The manifest as this request sees it: version 1 has no `channels`. */
export function manifestFor({ request }: Exchange, image: TestImage): Record<string, unknown> {
  if (!('channels' in image.manifest) || askedVersion(request.headers['accept-version']) === 2) return image.manifest;
  const { channels: _channels, ...rest } = image.manifest;
  return rest;
}

/** The images of the channel asked for, or undefined after an unknown one was answered with 422. */
export function visibleImages(exchange: Exchange): readonly TestImage[] | undefined {
  const all = [...exchange.state.images.values()];
  const { channels } = exchange.state;
  if (channels === undefined) return all;
  const asked = exchange.request.query.get('channel') ?? defaultChannel(channels);
  if (asked === '*') return all;
  if (!channels.some((channel) => channel.name === asked)) {
    const errors = [{ field: 'channel', code: 'Invalid' }];
    sendError(exchange, 422, 'ValidationFailed', `unknown channel: ${asked}`, errors);
    return undefined;
  }
  return all.filter(({ manifest }) => Array.isArray(manifest['channels']) && manifest['channels'].includes(asked));
}

function defaultChannel(channels: readonly TestChannel[]): string {
  return channels.find((channel) => channel.default === true)?.name ?? channels[0]?.name ?? '*';
}
