/**
 * The merged catalog: one immutable snapshot per channel somebody asks for, replaced whole whenever an upstream's list
 * has been refreshed. Imported images come last in precedence. A request that finds a snapshot never waits for a refresh.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../config/log.ts';
import { IMPORTED } from '../config/reserved-names.ts';
import type { Channel } from '../imgapi/channels.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { KeptChannels } from '../records/kept-channels.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import type { Records } from '../records/records.ts';
import type { SettledView, Trust } from '../trust/trust.ts';
import type { Upstream } from '../upstream/upstream.ts';
import { createFeed, type Feed, type FeedList, type FeedState } from './feed.ts';
import { createKeptImages, type KeptImagesDeps } from './kept-images.ts';
import { createKnownChannels } from './known-channels.ts';
import type { ListFilter } from './list-filter.ts';
import { mergeLists, type Conflict } from './merge.ts';
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
  /** Images of which an upstream says otherwise than what is remembered. */
  readonly conflicts: number;
}

export interface Catalog {
  /** Loads what was saved, then refreshes at once and from then on by interval; with `command` only when `refresh` asks for it. */
  start(mode?: 'serve' | 'command'): Promise<void>;
  /**
   * The view of `channel`. Waits for the first refresh for at most `firstWaitMs`.
   * Throws `ServiceUnavailableError` where no upstream's list was ever had (`LoopDetected` where all lead back here, `Offline`),
   * `ValidationFailed` for an unknown channel.
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
  /** Refreshes every list in use now; offline none. Never rejects; the outcome is in `state`. `accept`: takes what would be held back, too. */
  refresh(options?: { readonly accept: boolean }): Promise<void>;
  /** Images have been imported: they are in the lists when it resolves. Never rejects. */
  noteImported(): Promise<void>;
  /** The manifest of an image is not kept any more, or not as it was imported. */
  noteForgotten(uuid: ImageUuid): void;
  /** Something else is remembered of an image: every view is merged again, now. */
  reconsider(): void;
  state(): CatalogState;
  close(): Promise<void>;
}

export interface CatalogDeps {
  /** In precedence order. */
  readonly upstreams: readonly Upstream[];
  readonly records: Records;
  readonly kept: KeptManifests;
  readonly keptChannels: KeptChannels;
  /** Whether a blob is on disk. */
  readonly isStored: KeptImagesDeps['isStored'];
  readonly trust: Pick<Trust, 'load' | 'prepare' | 'recall' | 'settle' | 'conflictCount'>;
  /** What of each list is merged. Default: all of it. */
  readonly filterList?: ListFilter;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
  readonly random: () => number;
}

export interface CatalogOptions {
  readonly refreshEveryMs: number;
  /** How long `view` waits for the first refresh. Default 10 s. */
  readonly firstWaitMs?: number;
  /** True: no upstream is ever asked, what is saved is all there is. Default false. */
  readonly isOffline?: boolean;
}

type Part = SettledView['lists'][number];

/** A snapshot, and what it was made of. */
interface Merged {
  readonly parts: readonly Part[];
  readonly conflicts: readonly Conflict[];
  readonly snapshot: Snapshot;
}

interface View {
  readonly channel: string | undefined;
  current: CatalogView | undefined;
  merged: Merged | undefined;
  /** There is a list from before the restart: nobody waits for the first refresh. */
  hasSaved: boolean;
  /** Every upstream has had its say, or a client has seen the view: what it shows is remembered from now on. */
  isSettled: boolean;
  /** Resolves when every upstream has a list or has failed once. */
  readonly firstTry: PromiseWithResolvers<void>;
  /** Resolves `firstWaitMs` after its beginning: from then on nobody waits for an upstream that hangs while others are there. */
  readonly patience: Promise<void>;
  lastAskedMs: number;
}

/** A view nobody has asked for this long is no longer refreshed. */
const VIEW_IDLE_MS = 24 * 60 * 60_000;
/** After a failed refresh: the first wait, doubling up to the interval. */
const RETRY_FIRST_MS = 2_000;

export function createCatalog(deps: CatalogDeps, options: CatalogOptions): Catalog {
  const firstWaitMs = options.firstWaitMs ?? 10_000;
  const abort = new AbortController();
  const isOffline = options.isOffline ?? false;
  const { filterList = (_upstream, manifests) => manifests } = deps;
  const feeds = deps.upstreams.map((upstream) => createFeed({ ...deps, upstream, isOffline }));
  const keptImages = createKeptImages(deps);
  const views = new Map<string, View>();
  const loops: Promise<void>[] = [];
  const loaded = Promise.withResolvers<void>();
  const channelsTried = Promise.withResolvers<void>();
  const known = createKnownChannels(feeds, channelsTried.promise, firstWaitMs);

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
      isSettled: false,
      firstTry: Promise.withResolvers<void>(),
      patience: firstWait(),
      lastAskedMs: deps.now(),
    };
    views.set(key, fresh);
    rebuild(fresh);
    if (fresh.channel !== undefined) void refreshView(fresh);
    return fresh;
  }

  function partOf(upstream: string, list: FeedList): Part {
    return { upstream, manifests: filterList(upstream, list.manifests), isFresh: !list.isStale };
  }

  function rebuild(view: View): void {
    const held = feeds.map((feed) => ({ feed, list: feed.list(view.channel) }));
    const parts = held.flatMap(({ feed, list }) => (list === undefined ? [] : [partOf(feed.upstream.name, list)]));
    // A feed that does not offer the channel gives an empty list: alone it is no reason to answer "nothing there".
    const dated = held.flatMap(({ list }) =>
      list === undefined || list.manifests.length === 0 ? [] : [list.fetchedAtMs],
    );
    const hasAllTried = held.every(({ feed, list }) => list !== undefined || feed.hasTried(view.channel));
    view.isSettled ||= hasAllTried;
    const imported = keptImages.imported(view.channel ?? known.defaultName);
    if (imported.length > 0) parts.push({ upstream: IMPORTED, manifests: imported, isFresh: true });
    if (parts.length > 0) {
      const merged = mergedOf(view, parts);
      view.current = {
        snapshot: merged.snapshot,
        isStale: held.some(({ list }) => list === undefined || list.isStale),
        fetchedAtMs: dated.length === 0 ? deps.now() : Math.min(...dated),
      };
    }
    if (hasAllTried) view.firstTry.resolve();
  }

  /**
   * The merge of these lists; the one the view has where they are the same, so that its prepared bytes live on. Before the
   * view is settled nothing is remembered: of two upstreams that disagree, the first in precedence is to be seen first,
   * not the fastest.
   */
  function mergedOf(view: View, parts: readonly Part[]): Merged {
    const before = view.merged;
    if (before !== undefined && isSame(before.parts, parts, 'isFresh') && isSame(before.parts, parts, 'manifests'))
      return before;
    const merged =
      before !== undefined && isSame(before.parts, parts, 'manifests') ? { ...before, parts } : mergeParts(parts);
    if (!view.isSettled) return merged;
    const { conflicts, snapshot } = merged;
    deps.trust.settle({ view: view.channel ?? '', lists: parts, entries: snapshot.entries, conflicts });
    view.merged = merged;
    return merged;
  }

  function mergeParts(parts: readonly Part[]): Merged {
    const { entries, sources, conflicts } = mergeLists(parts, (uuid) => deps.trust.recall(uuid));
    return { parts, conflicts, snapshot: createSnapshot(entries, sources) };
  }

  function rebuildAll(): void {
    for (const view of views.values()) rebuild(view);
  }

  async function refreshView(view: View): Promise<void> {
    await Promise.all(feeds.map(async (feed) => feed.loadSaved(view.channel)));
    noteSaved(view);
    if (isOffline) {
      view.firstTry.resolve();
      return;
    }
    await Promise.all(
      feeds.map(async (feed) => {
        await feed.refresh(view.channel, abort.signal);
        rebuild(view);
      }),
    );
  }

  /** Reads every kept manifest: lists wait for it, nothing else does. */
  async function loadImported(view: View): Promise<void> {
    await keptImages.loadImported();
    noteSaved(view);
    loaded.resolve();
  }

  /** A list from before the restart makes the view one that is served without a wait. */
  function noteSaved(view: View): void {
    view.hasSaved = feeds.some((feed) => feed.list(view.channel)?.isStale === true);
    rebuild(view);
  }

  async function refreshFeed(feed: Feed, accept = false): Promise<void> {
    // Side by side: an upstream whose channels hang has a list all the same.
    await Promise.all([feed.refreshChannels(abort.signal), refreshDefault(feed, accept)]);
    const idleSince = deps.now() - VIEW_IDLE_MS;
    for (const [key, view] of views) {
      if (view.channel === undefined) continue;
      if (view.lastAskedMs < idleSince) views.delete(key);
      else await feed.refresh(view.channel, abort.signal, accept);
    }
    rebuildAll();
  }

  async function refreshDefault(feed: Feed, accept: boolean): Promise<void> {
    await feed.refresh(undefined, abort.signal, accept);
    rebuildAll();
    // What was absent a moment ago may be in the new list, or have been published beside it.
    if (feed.problem(undefined) === undefined) await deps.records.negatives.clear();
  }

  /** Refreshes one upstream for ever; a failure is retried soon, so that the mirror heals by itself. */
  async function loop(feed: Feed): Promise<void> {
    let failures = 0;
    while (!abort.signal.aborted) {
      await refreshFeed(feed);
      // A list that has shrunk is taken when it has come three times. Asked for again at once, they would be one moment's.
      failures = feed.problem(undefined) === undefined || feed.state().isShrunken ? 0 : failures + 1;
      const retryMs = Math.min(options.refreshEveryMs, RETRY_FIRST_MS * 2 ** (failures - 1));
      const waitMs = failures === 0 ? options.refreshEveryMs : retryMs;
      // Jitter: mirrors that were started together must not ask together for ever.
      await sleep(waitMs * (0.9 + deps.random() * 0.2), undefined, { signal: abort.signal, ref: false }).catch(
        () => {},
      );
    }
  }

  function unavailable(view: View): MirrorError {
    if (isOffline) return new MirrorError('Offline', 'this mirror is offline, and has no list of images from before');
    const reasons = feeds.map(
      (feed) => `upstream ${feed.upstream.name}: ${feed.problem(view.channel) ?? 'no answer yet'}`,
    );
    const isLooped = feeds.length > 0 && feeds.every((feed) => feed.isLooped(view.channel));
    const code = isLooped ? 'LoopDetected' : 'ServiceUnavailableError';
    return new MirrorError(code, `no list of images yet: ${reasons.join('; ')}`);
  }

  return {
    async start(mode = 'serve') {
      await deps.trust.load();
      const view = viewOf(undefined);
      await Promise.all(feeds.map(async (feed) => feed.load(async () => keptImages.of(feed.upstream.name))));
      noteSaved(view);
      void loadImported(view);
      if (isOffline) {
        view.firstTry.resolve();
        channelsTried.resolve();
        return;
      }
      if (mode === 'command') return;
      loops.push(...feeds.map(async (feed) => loop(feed)));
      void Promise.all(feeds.map(async (feed) => feed.refreshChannels(abort.signal))).then(() =>
        channelsTried.resolve(),
      );
    },

    async view(channel) {
      await loaded.promise;
      await known.checkChannel(channel);
      const view = viewOf(channel);
      view.lastAskedMs = deps.now();
      if (!view.hasSaved && !isComplete(view)) {
        await Promise.race([view.firstTry.promise, view.current === undefined ? firstWait() : view.patience]);
      }
      // A list may have come since the last rebuild; where none has, this costs a comparison. What the client sees is remembered.
      view.isSettled ||= view.current !== undefined;
      rebuild(view);
      if (view.current === undefined) throw unavailable(view);
      return view.current;
    },

    peek: (channel) => views.get(keyOf(channel))?.current,
    channels: async () => known.channels(),
    checkChannel: async (channel) => known.checkChannel(channel),
    knows: (uuid) => [...views.values()].some((view) => view.current?.snapshot.get(uuid) !== undefined),
    feeds: () => feeds,

    async refresh({ accept } = { accept: false }) {
      if (isOffline) return;
      await Promise.all(feeds.map(async (feed) => refreshFeed(feed, accept)));
      channelsTried.resolve();
    },

    async noteImported() {
      await keptImages.loadImported();
      rebuildAll();
    },

    noteForgotten(uuid) {
      if (keptImages.forgetImported(uuid)) rebuildAll();
    },

    reconsider() {
      for (const view of views.values()) view.merged = undefined;
      rebuildAll();
    },

    state() {
      const view = viewOf(undefined);
      return {
        upstreams: feeds.map((feed) => feed.state()),
        images: view.current?.snapshot.size ?? 0,
        conflicts: deps.trust.conflictCount,
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

/** Whether two lots of lists have the same in common; that one is confirmed now may end a conflict, though it is the same. */
function isSame(a: readonly Part[], b: readonly Part[], what: 'manifests' | 'isFresh'): boolean {
  return a.length === b.length && a.every((part, at) => part[what] === b[at]?.[what]);
}
