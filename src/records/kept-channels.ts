import { join } from 'node:path';
import { replaceFile } from '../blobs/durable-file.ts';
import { isJsonObject, parseJson, readSmallFile } from '../blobs/json-file.ts';
import { createKeyedLock } from '../blobs/keyed-lock.ts';
import type { Log } from '../config/log.ts';
import { parseChannels, type Channel } from '../imgapi/channels.ts';

/** What each upstream's `GET /channels` last said: without it a cached image's channels mean nothing while its upstream is down. */
export interface KeptChannels {
  /** Empty for one that has none; undefined if it never told. Never rejects. */
  get(upstream: string): Promise<readonly Channel[] | undefined>;
  /** Keeps them, durably; where they are as before nothing is written. Never rejects: a failure is logged. */
  set(upstream: string, channels: readonly Channel[]): Promise<void>;
}

/** 50 upstreams with 100 channels each, described at length. */
const MAX_BYTES = 16 * 1024 * 1024;

/** In `<cache-dir>/channels.json`; `dir` is the cache directory. */
export function createKeptChannels(deps: { readonly log: Log }, options: { readonly dir: string }): KeptChannels {
  const path = join(options.dir, 'channels.json');
  const lock = createKeyedLock();
  let known: Promise<Map<string, readonly Channel[]>> | undefined;

  async function read(): Promise<Map<string, readonly Channel[]>> {
    const found = new Map<string, readonly Channel[]>();
    try {
      const text = await readSmallFile(path, MAX_BYTES);
      const value = text === undefined ? {} : parseJson(text);
      if (!isJsonObject(value)) throw new Error('it is no JSON object');
      for (const [upstream, list] of Object.entries(value)) {
        const channels = parseChannels(list);
        if (channels !== undefined) found.set(upstream, channels);
      }
    } catch (error) {
      // They are fetched again as soon as their upstreams answer.
      deps.log.warn({ err: error, path }, 'the kept channels could not be read');
    }
    return found;
  }

  return {
    async get(upstream) {
      known ??= read();
      return (await known).get(upstream);
    },

    async set(upstream, channels) {
      await lock.run('channels', async () => {
        known ??= read();
        const all = await known;
        if (JSON.stringify(all.get(upstream)) === JSON.stringify(channels)) return;
        all.set(upstream, channels);
        try {
          await replaceFile(path, `${JSON.stringify(Object.fromEntries(all), undefined, 2)}\n`);
        } catch (error) {
          // What is not written is written with the next answer that differs from it.
          all.delete(upstream);
          deps.log.warn({ err: error, path }, 'the channels could not be kept');
        }
      });
    },
  };
}
