/**
 * The merged catalog: one immutable snapshot per channel somebody asks for, replaced whole whenever an upstream's list
 * has been refreshed. A request that finds a snapshot never waits for a refresh.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import { unknownChannel } from '../imgapi/answers.ts';
import { mergeChannels, type Channel } from '../imgapi/channels.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import type { Records } from '../records/records.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createFeed, type Feed, type FeedState, type SavedImages } from './feed.ts';
import { mergeLists, type Conflict, type UpstreamList } from './merge.ts';
import { createSnapshot, type Snapshot } from './snapshot.ts';

/** The catalog as a client that asks for one channel (or none) sees it. */
export interface CatalogView {
  readonly snapshot: Snapshot;
  /** True if an upstream's part of it is not known to be current. */
  readonly isStale: boolean;
  /** When the oldest part was last confirmed, ms since the epoch. */
  readonly fetchedAtMs: number;
}

export interface CatalogState {
  readonly upstreams: readonly FeedState[];
  readonly images: number;
  readonly conflicts: number;
}

export interface Catalog {
  /** Loads what was saved, then refreshes at once and from then on by interval. */
  start(): Promise<void>;
  /**
   * The view of `channel`. Waits for the first refresh for at most `firstWaitMs`.
   * Throws `ServiceUnavailableError` where no upstream's list was ever had, `ValidationFailed` for an unknown channel.
   */
  view(channel: string | undefined): Promise<CatalogView>;
  /** The view as it is now; undefined if nobody has asked for its list. Starts nothing: one uuid is not worth a list. */
  peek(channel: string | undefined): CatalogView | undefined;
  /**
   * All upstreams' channels as one list; empty if none has any. Waits for the first answers like `view`.
   * Throws `ServiceUnavailableError` where none is known and an upstream has not told.
   */
  channels(): Promise<readonly Channel[]>;
  /**
   * Throws `ValidationFailed` if some upstream has channels and none has this one, `ServiceUnavailableError` if one that
   * has not told its channels yet may have it. Waits for the first answers like `view`.
   */
  checkChannel(channel: string | undefined): Promise<void>;
  /** True if any view lists the image. */
  knows(uuid: ImageUuid): boolean;
  feeds(): readonly Feed[];
  /** Refreshes every list in use now. Never rejects; the outcome is in `state`. */
  refresh(): Promise<void>;
  state(): CatalogState;
  close(): Promise<void>;
}

export interface CatalogDeps {
  /** In precedence order. */
  readonly upstreams: readonly Upstream[];
  readonly records: Records;
  readonly kept: KeptManifests;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
  readonly random: () => number;
}

export interface CatalogOptions {
  readonly refreshEveryMs: number;
  /** How long `view` waits for the first refresh. Default 10 s. */
  readonly firstWaitMs?: number;
}

/** A snapshot, and what it was made of. */
interface Merged {
  readonly lists: readonly UpstreamList[];
  readonly conflicts: readonly Conflict[];
  readonly snapshot: Snapshot;
}

interface View {
  readonly channel: string | undefined;
  current: CatalogView | undefined;
  merged: Merged | undefined;
  /** There is a list from before the restart: nobody waits for the first refresh. */
  hasSaved: boolean;
  /** Resolves when every upstream has a list or has failed once. */
  readonly firstTry: PromiseWithResolvers<void>;
  /** Resolves `firstWaitMs` after its beginning: from then on nobody waits for an upstream that hangs while others are there. */
  readonly patience: Promise<void>;
  lastAskedMs: number;
}

/** A view nobody has asked for this long is no longer refreshed. */
const VIEW_IDLE_MS = 24 * 60 * 60_000;
/** Conflicts that were logged already, so that each is logged once. */
const MAX_REPORTED = 10_000;
/** After a failed refresh: the first wait, doubling up to the interval. */
const RETRY_FIRST_MS = 2_000;

export function createCatalog(deps: CatalogDeps, options: CatalogOptions): Catalog {
  const firstWaitMs = options.firstWaitMs ?? 10_000;
  const abort = new AbortController();
  const feeds = deps.upstreams.map((upstream) => createFeed({ ...deps, upstream }));
  const views = new Map<string, View>();
  const reportedConflicts = new LRUCache<string, true>({ max: MAX_REPORTED });
  const loops: Promise<void>[] = [];
  const loaded = Promise.withResolvers<void>();
  const channelsTried = Promise.withResolvers<void>();

  function knownChannels(): readonly Channel[] {
    return mergeChannels(feeds.map((feed) => feed.channels));
  }

  /** Upstreams that have not told their channels, after a bounded wait for the first answers. */
  async function silentFeeds(): Promise<readonly Feed[]> {
    if (feeds.some(isSilent))
      await Promise.race([channelsTried.promise, sleep(firstWaitMs, undefined, { ref: false })]);
    return feeds.filter(isSilent);
  }

  async function channels(): Promise<readonly Channel[]> {
    const silent = await silentFeeds();
    const known = knownChannels();
    if (known.length === 0 && silent.length > 0) throw channelsUnknown(silent);
    return known;
  }

  async function checkChannel(channel: string | undefined): Promise<void> {
    if (channel === undefined || channel === '*') return;
    const silent = await silentFeeds();
    const known = knownChannels();
    if (known.some(({ name }) => name === channel)) return;
    if (silent.length > 0) throw channelsUnknown(silent);
    if (known.length > 0) throw unknownChannel(channel);
  }

  async function firstWait(): Promise<void> {
    // Woken early only by the end of the catalog, when waiting is over in any case.
    await sleep(firstWaitMs, undefined, { signal: abort.signal, ref: false }).catch(() => {});
  }

  /** Where no upstream has channels every channel is the same view: one snapshot, not one per invented name. */
  function keyOf(channel: string | undefined): string {
    return feeds.every((feed) => feed.channels?.length === 0) ? '' : (channel ?? '');
  }

  function viewOf(channel: string | undefined): View {
    const key = keyOf(channel);
    const found = views.get(key);
    if (found !== undefined) return found;
    const fresh: View = {
      channel: key === '' ? undefined : key,
      current: undefined,
      merged: undefined,
      hasSaved: false,
      firstTry: Promise.withResolvers<void>(),
      patience: firstWait(),
      lastAskedMs: deps.now(),
    };
    views.set(key, fresh);
    rebuild(fresh);
    if (fresh.channel !== undefined) void refreshView(fresh);
    return fresh;
  }

  function rebuild(view: View): void {
    const parts = feeds.map((feed) => ({ feed, list: feed.list(view.channel) }));
    const lists = parts.flatMap(({ feed, list }) =>
      list === undefined ? [] : [{ upstream: feed.upstream.name, manifests: list.manifests }],
    );
    // A feed that does not offer the channel gives an empty list: alone it is no reason to answer "nothing there".
    const dated = parts.flatMap(({ list }) =>
      list === undefined || list.manifests.length === 0 ? [] : [list.fetchedAtMs],
    );
    if (lists.length > 0) {
      const merged = mergedOf(view, lists);
      view.current = {
        snapshot: merged.snapshot,
        isStale: parts.some(({ list }) => list === undefined || list.isStale),
        fetchedAtMs: dated.length === 0 ? deps.now() : Math.min(...dated),
      };
    }
    const isSettled = parts.every(({ feed, list }) => list !== undefined || feed.hasTried(view.channel));
    if (isSettled) view.firstTry.resolve();
  }

  /** The merge of these lists; the one the view has where they are the same, so that its prepared bytes live on. */
  function mergedOf(view: View, lists: readonly UpstreamList[]): Merged {
    const { merged } = view;
    const isSame =
      merged !== undefined &&
      merged.lists.length === lists.length &&
      lists.every(({ manifests }, at) => merged.lists[at]?.manifests === manifests);
    if (isSame) return merged;
    const { entries, sources, conflicts } = mergeLists(lists);
    report(conflicts);
    view.merged = { lists, conflicts, snapshot: createSnapshot(entries, sources) };
    return view.merged;
  }

  function report(conflicts: readonly Conflict[]): void {
    for (const conflict of conflicts) {
      const key = JSON.stringify(conflict);
      if (reportedConflicts.has(key)) continue;
      reportedConflicts.set(key, true);
      deps.log.warn({ conflict }, 'upstreams disagree on the SHA-1 of an image: the first wins');
    }
  }

  function rebuildAll(): void {
    for (const view of views.values()) rebuild(view);
  }

  async function refreshView(view: View): Promise<void> {
    await Promise.all(feeds.map(async (feed) => feed.loadSaved(view.channel)));
    noteSaved(view);
    await Promise.all(
      feeds.map(async (feed) => {
        await feed.refresh(view.channel, abort.signal);
        rebuild(view);
      }),
    );
  }

  /** A list from before the restart makes the view one that is served without a wait. */
  function noteSaved(view: View): void {
    view.hasSaved = feeds.some((feed) => feed.list(view.channel)?.isStale === true);
    rebuild(view);
  }

  async function refreshFeed(feed: Feed): Promise<void> {
    // Side by side: an upstream whose channels hang has a list all the same.
    await Promise.all([feed.refreshChannels(abort.signal), refreshDefault(feed)]);
    const idleSince = deps.now() - VIEW_IDLE_MS;
    for (const [key, view] of views) {
      if (view.channel === undefined) continue;
      if (view.lastAskedMs < idleSince) views.delete(key);
      else await feed.refresh(view.channel, abort.signal);
    }
    rebuildAll();
  }

  async function refreshDefault(feed: Feed): Promise<void> {
    await feed.refresh(undefined, abort.signal);
    rebuildAll();
    // What was absent a moment ago may be in the new list, or have been published beside it.
    if (feed.problem(undefined) === undefined) await deps.records.negatives.clear();
  }

  /** Refreshes one upstream for ever; a failure is retried soon, so that the mirror heals by itself. */
  async function loop(feed: Feed): Promise<void> {
    let failures = 0;
    while (!abort.signal.aborted) {
      await refreshFeed(feed);
      failures = feed.problem(undefined) === undefined ? 0 : failures + 1;
      const retryMs = Math.min(options.refreshEveryMs, RETRY_FIRST_MS * 2 ** (failures - 1));
      const waitMs = failures === 0 ? options.refreshEveryMs : retryMs;
      // Jitter: mirrors that were started together must not ask together for ever.
      await sleep(waitMs * (0.9 + deps.random() * 0.2), undefined, { signal: abort.signal, ref: false }).catch(
        () => {},
      );
    }
  }

  async function loadKept(upstream: string): Promise<SavedImages> {
    const images: unknown[] = [];
    let fetchedAtMs = deps.now();
    for await (const kept of deps.kept.all()) {
      if (kept.upstream !== upstream) continue;
      images.push(kept.manifest);
      fetchedAtMs = Math.min(fetchedAtMs, Date.parse(kept.fetchedAt));
    }
    return { images, fetchedAtMs };
  }

  function unavailable(view: View): MirrorError {
    const reasons = feeds.map((feed) => feed.problem(view.channel) ?? `upstream ${feed.upstream.name}: no answer yet`);
    return new MirrorError('ServiceUnavailableError', `no list of images yet: ${reasons.join('; ')}`);
  }

  return {
    async start() {
      const view = viewOf(undefined);
      await Promise.all(feeds.map(async (feed) => feed.load(async () => loadKept(feed.upstream.name))));
      noteSaved(view);
      loaded.resolve();
      loops.push(...feeds.map(async (feed) => loop(feed)));
      void Promise.all(feeds.map(async (feed) => feed.refreshChannels(abort.signal))).then(() =>
        channelsTried.resolve(),
      );
    },

    async view(channel) {
      await loaded.promise;
      await checkChannel(channel);
      const view = viewOf(channel);
      view.lastAskedMs = deps.now();
      if (!view.hasSaved && !isComplete(view)) {
        await Promise.race([view.firstTry.promise, view.current === undefined ? firstWait() : view.patience]);
      }
      // A list may have come since the last rebuild; where none has, this costs a comparison.
      rebuild(view);
      if (view.current === undefined) throw unavailable(view);
      return view.current;
    },

    peek: (channel) => views.get(keyOf(channel))?.current,
    channels,
    checkChannel,
    knows: (uuid) => [...views.values()].some((view) => view.current?.snapshot.get(uuid) !== undefined),
    feeds: () => feeds,

    async refresh() {
      await Promise.all(feeds.map(refreshFeed));
    },

    state() {
      const view = viewOf(undefined);
      return {
        upstreams: feeds.map((feed) => feed.state()),
        images: view.current?.snapshot.size ?? 0,
        conflicts: view.merged?.conflicts.length ?? 0,
      };
    },

    async close() {
      abort.abort();
      await Promise.all(loops);
    },
  };

  /** True if every upstream has given a list or has failed to: waiting longer would change nothing. */
  function isComplete(view: View): boolean {
    return feeds.every((feed) => feed.list(view.channel) !== undefined || feed.hasTried(view.channel));
  }
}

function isSilent(feed: Feed): boolean {
  return feed.channels === undefined;
}

function channelsUnknown(silent: readonly Feed[]): MirrorError {
  const names = silent.map((feed) => feed.upstream.name).join(', ');
  return new MirrorError('ServiceUnavailableError', `the channels of ${names} are not known: no answer yet`);
}
