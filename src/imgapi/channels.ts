/**
 * Channels: a server may file its images under names such as `dev` and `release`; `?channel=` picks one, `*` all.
 */
import type { Manifest } from './manifest.ts';

/** One element of the answer to `GET /channels`. */
export interface Channel {
  readonly name: string;
  readonly description?: string;
  /** Present on the one channel that requests without `?channel=` get. */
  readonly default?: true;
}

const MAX_CHANNELS = 100;
const MAX_DESCRIPTION_LENGTH = 1024;
const CHANNEL_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/i;

/**
 * An upstream's answer to `GET /channels`: at most 100, each with a name of at most 64 characters. Undefined if the value is anything
 * else. A name given twice counts once, unknown fields are dropped.
 */
export function parseChannels(value: unknown): readonly Channel[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_CHANNELS) return undefined;
  const byName = new Map<string, Channel>();
  for (const element of value as unknown[]) {
    const channel = parseChannel(element);
    if (channel === undefined) return undefined;
    if (!byName.has(channel.name)) byName.set(channel.name, channel);
  }
  return [...byName.values()];
}

/**
 * The channels of several upstreams, in precedence order; undefined stands for an upstream without channels. A name that several
 * have is described by the first of them. The first default found is the only one; without any, no channel is the default.
 */
export function mergeChannels(lists: readonly (readonly Channel[] | undefined)[]): readonly Channel[] {
  const all = lists.flatMap((list) => list ?? []);
  const defaultName = all.find((channel) => channel.default)?.name;
  const byName = new Map<string, Channel>();
  for (const { default: _, ...channel } of all) {
    if (byName.has(channel.name)) continue;
    byName.set(channel.name, channel.name === defaultName ? { ...channel, default: true } : channel);
  }
  return [...byName.values()];
}

/** Whether `?channel=<channel>` shows the image. `*` shows all; an image whose upstream has no channels is in every one. */
export function isInChannel(manifest: Manifest, channel: string): boolean {
  return channel === '*' || manifest.channels === undefined || manifest.channels.includes(channel);
}

function parseChannel(value: unknown): Channel | undefined {
  if (!isObject(value)) return undefined;
  const { name, description, default: isDefault } = value;
  if (typeof name !== 'string' || !CHANNEL_NAME.test(name)) return undefined;
  return {
    name,
    ...(typeof description === 'string' ? { description: description.slice(0, MAX_DESCRIPTION_LENGTH) } : {}),
    ...(isDefault === true ? { default: true } : {}),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
