/** All upstreams' channels as one list, and whether one that a client names is among them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { unknownChannel } from '../imgapi/answers.ts';
import { mergeChannels, type Channel } from '../imgapi/channels.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { Feed } from './feed.ts';

export interface KnownChannels {
  /** The default channel's name, as far as is known now. */
  readonly defaultName: string | undefined;
  /** See `Catalog.channels`. */
  channels(): Promise<readonly Channel[]>;
  /** See `Catalog.checkChannel`. */
  checkChannel(channel: string | undefined): Promise<void>;
}

/** `tried` resolves when every feed has been asked for its channels once; nobody waits for it longer than `firstWaitMs`. */
export function createKnownChannels(
  feeds: readonly Pick<Feed, 'upstream' | 'channels'>[],
  tried: Promise<void>,
  firstWaitMs: number,
): KnownChannels {
  function known(): readonly Channel[] {
    return mergeChannels(feeds.map((feed) => feed.channels));
  }

  function silentNow(): typeof feeds {
    return feeds.filter((feed) => feed.channels === undefined);
  }

  /** Upstreams that have not told their channels, after a bounded wait for the first answers. */
  async function silentFeeds(): Promise<readonly Pick<Feed, 'upstream'>[]> {
    if (silentNow().length > 0) await Promise.race([tried, sleep(firstWaitMs, undefined, { ref: false })]);
    return silentNow();
  }

  return {
    get defaultName() {
      return known().find((channel) => channel.default)?.name;
    },

    async channels() {
      const silent = await silentFeeds();
      const all = known();
      if (all.length === 0 && silent.length > 0) throw channelsUnknown(silent);
      return all;
    },

    async checkChannel(channel) {
      if (channel === undefined || channel === '*') return;
      const silent = await silentFeeds();
      const all = known();
      if (all.some(({ name }) => name === channel)) return;
      if (silent.length > 0) throw channelsUnknown(silent);
      if (all.length > 0) throw unknownChannel(channel);
    },
  };
}

function channelsUnknown(silent: readonly Pick<Feed, 'upstream'>[]): MirrorError {
  const names = silent.map((feed) => feed.upstream.name).join(', ');
  return new MirrorError('ServiceUnavailableError', `the channels of ${names} are not known: no answer yet`);
}
