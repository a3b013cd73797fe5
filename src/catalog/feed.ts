/**
 * One upstream's part of the catalog: its channels, and the full list of every channel somebody has asked for. What was
 * good once stays until something good replaces it, over restarts too.
 */
import { randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import { isInChannel, type Channel } from '../imgapi/channels.ts';
import { isLoop } from '../imgapi/errors.ts';
import { parseManifest, type Manifest } from '../imgapi/manifest.ts';
import type { KeptChannels } from '../records/kept-channels.ts';
import type { Records } from '../records/records.ts';
import type { Trust } from '../trust/trust.ts';
import { isUselessAnswer, withoutName } from '../upstream/unavailable.ts';
import type { ListValidators, Upstream } from '../upstream/upstream.ts';
import { judgeList } from './judge-list.ts';

/**
 * How a refresh ended, every one of them. `failed`: no answer, or a 5xx; `useless`: an answer, but no list; `held`: a list that is empty or
 * shrank and was not taken.
 */
export const REFRESH_RESULTS = ['ok', 'failed', 'useless', 'held'] as const;
type RefreshResult = (typeof REFRESH_RESULTS)[number];

/** A list as it is served. */
export interface FeedList {
  readonly manifests: readonly Manifest[];
  /** When its upstream last confirmed it, ms since the epoch. */
  readonly fetchedAtMs: number;
  /** True: the last refresh failed or was held back, or there has been none since the start. */
  readonly isStale: boolean;
}

export interface FeedState {
  readonly upstream: string;
  /** Images in the list of the default view; 0 if there is none. */
  readonly images: number;
  readonly fetchedAtMs: number | undefined;
  /** Why the last refresh of the default view did not bring a list, without the upstream's name; undefined if it did or none has ended. */
  readonly problem: string | undefined;
  /** Whether it answered when it was last asked for that list, be it with nothing of use; undefined: it was not asked yet. */
  readonly hasAnswered: boolean | undefined;
  /** True: it answered with a list that was held back for being empty or much shorter than the last. */
  readonly isHeld: boolean;
  /** True: that one was shorter, not empty; it is taken when it has come often enough. */
  readonly isShrunken: boolean;
  /** Refreshes that have ended, of any channel. */
  readonly refreshes: Readonly<Record<RefreshResult, number>>;
  /** Entries dropped from the newest list. */
  readonly dropped: number;
}

export interface Feed {
  readonly upstream: Upstream;
  /** Empty: it has none. Undefined: it has not told yet. */
  readonly channels: readonly Channel[] | undefined;
  /** What a client that asks for `channel` (undefined: none) sees of this upstream; undefined: no list was ever had. */
  list(channel: string | undefined): FeedList | undefined;
  /** True once a refresh for `channel` has ended, well or not. */
  hasTried(channel: string | undefined): boolean;
  problem(channel: string | undefined): string | undefined;
  /** True if the problem is that the upstream leads back to this mirror. */
  isLooped(channel: string | undefined): boolean;
  /** Its default channel's name, where it has channels and one of them is that. */
  readonly defaultChannel: string | undefined;
  /** The channel to name to this upstream for a client that asks for `channel`; `absent`: it has no such channel. */
  channelFor(
    channel: string | undefined,
  ): { readonly kind: 'ask'; readonly channel: string | undefined } | { readonly kind: 'absent' };
  /** Asks for its channels again. Never rejects: what was known of them holds until it answers. */
  refreshChannels(signal: AbortSignal): Promise<void>;
  /**
   * Fetches the list for `channel` again; a call while one is under way shares it. Never rejects.
   * @param accept also takes a list that would be held back. Default false.
   */
  refresh(channel: string | undefined, signal: AbortSignal, accept?: boolean): Promise<void>;
  /**
   * Takes the kept channels and the saved list of the default view; without one, what `fallback` gives, if anything. What was
   * lost of other lists it stands in for too.
   */
  load(fallback: () => Promise<SavedImages>): Promise<void>;
  /** Takes the saved list for `channel` where there is none yet. */
  loadSaved(channel: string | undefined): Promise<void>;
  state(): FeedState;
}

/** Raw manifests from an earlier run. */
export interface SavedImages {
  readonly images: readonly unknown[];
  /** When the oldest was confirmed, ms since the epoch. */
  readonly fetchedAtMs: number;
}

interface FeedDeps {
  readonly upstream: Upstream;
  readonly trust: Pick<Trust, 'prepare'>;
  readonly keptChannels: KeptChannels;
  /** True: nothing is ever fetched. Default false. */
  readonly isOffline?: boolean;
  readonly records: Records;
  readonly log: Log;
  readonly now: () => number;
}

interface Held {
  list: FeedList | undefined;
  validators: ListValidators;
  problem: string | undefined;
  isLooped: boolean;
  hasTried: boolean;
  lastResult: RefreshResult | undefined;
  isLoaded: boolean;
  isSaved: boolean;
  shrunkenSeen: number;
  dropped: number;
  running: Promise<void> | undefined;
}

const NO_IMAGES: FeedList = { manifests: [], fetchedAtMs: 0, isStale: false };
/** Bad entries that were logged already, so that each is logged once and not at every refresh. */
const MAX_LOGGED = 10_000;

export function createFeed(deps: FeedDeps): Feed {
  const { upstream, records, log } = deps;
  const lists = new Map<string, Held>();
  const logged = new LRUCache<string, true>({ max: MAX_LOGGED });
  const refreshes = { ok: 0, failed: 0, useless: 0, held: 0 };
  let channels: readonly Channel[] | undefined;
  let standIn: (() => Promise<SavedImages>) | undefined;
  /** The records do not have the list that every run saves. */
  let isLost = false;
  let askingChannels: Promise<void> | undefined;

  function channelFor(channel: string | undefined): ReturnType<Feed['channelFor']> {
    // A server without channels ignores the parameter, and so do we: its images are in every channel.
    if (channel === undefined || channels?.length === 0) return { kind: 'ask', channel: upstream.channel };
    // Nobody knows yet: the upstream itself will do the right thing with it.
    if (channels === undefined) return { kind: 'ask', channel };
    // The default by its name is the same list, and is there offline too.
    if (upstream.channel === undefined && channels.some((one) => one.name === channel && one.default === true)) {
      return { kind: 'ask', channel: undefined };
    }
    const isKnown = channel === '*' || channels.some(({ name }) => name === channel);
    return isKnown ? { kind: 'ask', channel } : { kind: 'absent' };
  }

  function heldFor(asked: string | undefined): Held {
    const key = asked ?? '';
    const found = lists.get(key);
    if (found !== undefined) return found;
    const fresh: Held = {
      list: undefined,
      validators: {},
      problem: undefined,
      isLooped: false,
      hasTried: false,
      lastResult: undefined,
      isLoaded: false,
      isSaved: true,
      shrunkenSeen: 0,
      dropped: 0,
      running: undefined,
    };
    lists.set(key, fresh);
    return fresh;
  }

  function held(channel: string | undefined): Held | undefined {
    const target = channelFor(channel);
    return target.kind === 'ask' ? heldFor(target.channel) : undefined;
  }

  async function refreshChannels(signal: AbortSignal): Promise<void> {
    askingChannels ??= askChannels(signal).finally(() => {
      askingChannels = undefined;
    });
    await askingChannels;
    // Not within: who asks again meanwhile gets a fresh answer.
    if (channels !== undefined) await deps.keptChannels.set(upstream.name, channels);
  }

  async function askChannels(signal: AbortSignal): Promise<void> {
    try {
      channels = (await upstream.channels({ requestId: randomUUID(), signal })) ?? [];
    } catch (error) {
      // Not fatal: the list may be had all the same, and what was known of the channels still holds.
      log.debug({ err: error, upstream: upstream.name }, 'channels could not be fetched');
    }
  }

  async function fetchInto(
    target: Held,
    asked: string | undefined,
    signal: AbortSignal,
    accept: boolean,
  ): Promise<void> {
    try {
      const validators = target.list === undefined ? {} : target.validators;
      const answer = await upstream.list({ channel: asked, validators, requestId: randomUUID(), signal });
      if (answer.kind === 'unchanged') {
        if (target.list !== undefined) target.list = { ...target.list, fetchedAtMs: deps.now(), isStale: false };
        noteGood(target, target.list?.manifests.length ?? 0);
        target.shrunkenSeen = 0;
        count(target, 'ok');
        return;
      }
      const manifests = parseList(answer.images, target);
      const verdict = judgeList(target.list?.manifests.length, manifests.length, target.shrunkenSeen);
      if (verdict.kind === 'hold' && !accept) {
        // An empty list says nothing about what will be left; only lists with images are sightings of a smaller catalog.
        target.shrunkenSeen = manifests.length === 0 ? 0 : target.shrunkenSeen + 1;
        count(target, 'held');
        setStale(target, `its list ${verdict.why}: held back`);
        return;
      }
      target.shrunkenSeen = 0;
      const prepared = await deps.trust.prepare(upstream.name, manifests, false);
      target.list = { manifests: prepared, fetchedAtMs: deps.now(), isStale: false };
      target.validators = answer.validators;
      noteGood(target, manifests.length);
      count(target, 'ok');
      target.isSaved = false;
    } catch (error) {
      signal.throwIfAborted();
      count(target, isUselessAnswer(error) ? 'useless' : 'failed');
      target.shrunkenSeen = 0;
      setStale(target, withoutName(upstream.name, error), isLoop(error));
    } finally {
      target.hasTried = true;
      // In the same turn in which the list is there: who asks for a refresh from now on gets another one.
      target.running = undefined;
    }
  }

  function count(target: Held, result: RefreshResult): void {
    refreshes[result] += 1;
    target.lastResult = result;
  }

  /** Says so when a list has come for the first time, or again after trouble; not at every refresh. */
  function noteGood(target: Held, images: number): void {
    const isNews = !target.hasTried || target.problem !== undefined;
    if (isNews) log.info({ upstream: upstream.name, images }, 'catalog refreshed');
    target.problem = undefined;
    target.isLooped = false;
  }

  function setStale(target: Held, problem: string, isLooped = false): void {
    if (target.problem !== problem) log.warn({ upstream: upstream.name, problem }, 'catalog refresh failed');
    target.problem = problem;
    target.isLooped = isLooped;
    if (target.list !== undefined) target.list = { ...target.list, isStale: true };
  }

  function parseList(images: readonly unknown[], target: Held): Manifest[] {
    const manifests: Manifest[] = [];
    let dropped = 0;
    for (const image of images) {
      const parsed = parseManifest(image);
      if (parsed.ok) {
        manifests.push(parsed.manifest);
        continue;
      }
      dropped += 1;
      const key = `${parsed.uuid ?? ''} ${parsed.problem}`;
      if (logged.has(key)) continue;
      logged.set(key, true);
      log.warn({ upstream: upstream.name, uuid: parsed.uuid, problem: parsed.problem }, 'bad list entry dropped');
    }
    target.dropped = dropped;
    return manifests;
  }

  async function save(target: Held, asked: string | undefined): Promise<void> {
    const { list, validators } = target;
    if (list === undefined || target.isSaved) return;
    target.isSaved = true;
    const images = list.manifests.map(({ json }) => json);
    await records.lists.set(upstream.name, asked, {
      fetchedAt: new Date(list.fetchedAtMs).toISOString(),
      images,
      ...validators,
    });
  }

  async function takeSaved(target: Held, asked: string | undefined): Promise<void> {
    if (target.isLoaded) return;
    target.isLoaded = true;
    const saved = await records.lists.get(upstream.name, asked);
    if (saved === undefined) return;
    const { images, etag, lastModified } = saved;
    await take(
      target,
      { images, fetchedAtMs: Date.parse(saved.fetchedAt) },
      {
        ...(etag === undefined ? {} : { etag }),
        ...(lastModified === undefined ? {} : { lastModified }),
      },
    );
  }

  /** What is cached stands in for a list that is lost, as far as it belongs there. */
  async function takeKept(target: Held, asked: string | undefined): Promise<void> {
    if (target.list !== undefined || standIn === undefined) return;
    const { images, fetchedAtMs } = await standIn();
    const channel = asked ?? channels?.find((one) => one.default)?.name;
    const belongs = images.filter((image) => {
      const parsed = parseManifest(image);
      return channel === undefined || !parsed.ok || isInChannel(parsed.manifest, channel);
    });
    if (belongs.length > 0) await take(target, { images: belongs, fetchedAtMs }, {});
  }

  /** What is here already is newer. */
  async function take(target: Held, saved: SavedImages, validators: ListValidators): Promise<void> {
    if (target.list !== undefined) return;
    const manifests = await deps.trust.prepare(upstream.name, parseList(saved.images, target), true);
    if (target.list !== undefined) return;
    target.list = { manifests, fetchedAtMs: saved.fetchedAtMs, isStale: true };
    target.validators = validators;
  }

  return {
    upstream,
    get channels() {
      return channels;
    },
    get defaultChannel() {
      return upstream.channel ?? channels?.find((channel) => channel.default)?.name;
    },
    channelFor,
    refreshChannels,
    list: (channel) => {
      const found = held(channel);
      return found === undefined ? NO_IMAGES : found.list;
    },
    hasTried: (channel) => held(channel)?.hasTried ?? true,
    problem: (channel) => held(channel)?.problem,
    isLooped: (channel) => held(channel)?.isLooped === true,

    async refresh(channel, signal, accept = false) {
      const target = channelFor(channel);
      if (target.kind === 'absent') return;
      const into = heldFor(target.channel);
      if (into.running !== undefined) {
        await into.running;
        // One that began before the operator said so has held back what is to be taken.
        if (!accept) return;
      }
      into.running = takeSaved(into, target.channel)
        .then(async () => fetchInto(into, target.channel, signal, accept))
        .catch((error: unknown) => log.debug({ err: error, upstream: upstream.name }, 'refresh given up'));
      await into.running;
      // After the refresh, not within: who asks for another one meanwhile gets a fresh list.
      await save(into, target.channel);
    },

    async load(fallback) {
      const keptChannels = await deps.keptChannels.get(upstream.name);
      // Offline nobody will ever tell: then it is as if it had none.
      channels ??= keptChannels ?? (deps.isOffline ? [] : undefined);
      standIn = fallback;
      const target = heldFor(upstream.channel);
      await takeSaved(target, upstream.channel);
      if (target.list !== undefined) return;
      isLost = true;
      await takeKept(target, upstream.channel);
    },

    async loadSaved(channel) {
      const target = channelFor(channel);
      if (target.kind === 'absent') return;
      await takeSaved(heldFor(target.channel), target.channel);
      // Where the records are there, a list nobody has asked for yet is worth the wait for it.
      if (isLost || deps.isOffline) await takeKept(heldFor(target.channel), target.channel);
    },

    state() {
      const target = heldFor(upstream.channel);
      return {
        upstream: upstream.name,
        images: target.list?.manifests.length ?? 0,
        fetchedAtMs: target.list?.fetchedAtMs,
        problem: target.problem,
        hasAnswered: target.lastResult === undefined ? undefined : target.lastResult !== 'failed',
        isHeld: target.lastResult === 'held',
        isShrunken: target.shrunkenSeen > 0,
        refreshes: { ...refreshes },
        dropped: target.dropped,
      };
    },
  };
}
