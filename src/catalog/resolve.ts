/**
 * From a uuid to its manifest, three-valued: found, absent (every upstream confirmed it), unknown (thrown as an error).
 * An image that is in no list is asked for at the upstreams: inactive origins of active images are served only by uuid.
 */
import type { Log } from '../config/log.ts';
import { notHereOffline } from '../imgapi/answers.ts';
import { isInChannel } from '../imgapi/channels.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest } from '../imgapi/manifest.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import type { Records } from '../records/records.ts';
import type { Trust } from '../trust/trust.ts';
import { createUrgency, type ChangingUrgency, type Priority, type Urgency } from '../upstream/urgency.ts';
import { createAskUpstreams, type AskUpstreamsDeps, type LookupAnswer, type UnknownAnswer } from './ask-upstreams.ts';
import type { Catalog } from './catalog.ts';
import { createKnownOrigins } from './known-origins.ts';
import type { CatalogEntry } from './merge.ts';
import { createEntry } from './snapshot.ts';

export interface FoundImage {
  readonly kind: 'found';
  readonly entry: CatalogEntry;
  /** HIT: known here; MISS: an upstream was asked; JOIN: somebody else's question was shared; STALE: not confirmed. */
  readonly cache: 'HIT' | 'MISS' | 'JOIN' | 'STALE';
  /** When it was last confirmed, ms since the epoch. */
  readonly fetchedAtMs: number;
}

export type Resolution = FoundImage | { readonly kind: 'absent' };

export interface ResolveRequest {
  readonly uuid: ImageUuid;
  readonly channel: string | undefined;
  readonly requestId: string;
  /** What it is for. One that is shared is a demand as soon as one of them is. Default `demand`. */
  readonly priority?: Priority;
}

export interface Resolver {
  /** Throws `Offline` for an image that is not here when nobody may be asked, `ServiceUnavailableError` when an upstream that may have the image could not be asked, `LoopDetected` where it is this mirror. */
  resolve(request: ResolveRequest): Promise<Resolution>;
  close(): void;
}

export interface ResolverDeps extends Pick<AskUpstreamsDeps, 'healthOf' | 'budget' | 'onRefused'> {
  readonly catalog: Catalog;
  readonly records: Records;
  readonly kept: KeptManifests;
  readonly trust: Pick<Trust, 'remember' | 'judge' | 'judgeOld' | 'noteAbsent'>;
  readonly log: Log;
  readonly now: () => number;
  /** A look-up ended at the upstreams with this. */
  readonly onNegative: () => void;
}

export interface ResolverOptions {
  /** For how long a confirmed absence is remembered, ms. */
  readonly negativeTtlMs: number;
  /** For how long a looked-up manifest is current, ms: as long as a list would be. */
  readonly lookupFreshMs: number;
  /** The highest in precedence among those that answer within this wins, ms. Default 2 s. */
  readonly precedenceWaitMs?: number;
  /** True: nobody is asked, and what is not here is `Offline`, never absent. Default false. */
  readonly isOffline?: boolean;
  /** Most look-ups under way at once; more are refused as unknown. Default 200. */
  readonly maxLookups?: number;
}

/** A looked-up manifest stays of use, as stale, for this long when its upstream cannot be asked. */
const LOOKUP_KEPT_MS = 30 * 24 * 60 * 60_000;

export function createResolver(deps: ResolverDeps, options: ResolverOptions): Resolver {
  const precedenceWaitMs = options.precedenceWaitMs ?? 2_000;
  const maxLookups = options.maxLookups ?? 200;
  const abort = new AbortController();
  const running = new Map<string, { readonly resolution: Promise<Resolution>; readonly urgency: ChangingUrgency }>();
  const origins = createKnownOrigins(deps);
  const askUpstreams = createAskUpstreams(
    { ...deps, feeds: () => deps.catalog.feeds(), isKeptOrigin: async (uuid) => origins.isKept(uuid) },
    { precedenceWaitMs },
  );
  let asking = 0;

  async function resolve(request: ResolveRequest): Promise<Resolution> {
    const { uuid, channel, priority = 'demand' } = request;
    await deps.catalog.checkChannel(channel);
    const view = deps.catalog.peek(channel);
    const listed = view?.snapshot.get(uuid);
    if (view !== undefined && listed !== undefined) {
      // The view may not be settled yet: what a client has seen, here or by another channel, is not to change.
      const entry = deps.trust.remember(listed) ? listed : await deps.trust.judgeOld(listed);
      return { kind: 'found', entry, cache: view.isStale ? 'STALE' : 'HIT', fetchedAtMs: view.fetchedAtMs };
    }
    const key = `${uuid} ${channel ?? ''}`;
    const shared = running.get(key);
    if (shared !== undefined) {
      if (priority === 'demand') shared.urgency.upgrade();
      const resolution = await shared.resolution;
      return resolution.kind === 'found' && resolution.cache === 'MISS' ? { ...resolution, cache: 'JOIN' } : resolution;
    }
    const urgency = createUrgency(priority);
    const resolution = lookUp(request, urgency).finally(() => running.delete(key));
    running.set(key, { resolution, urgency });
    return resolution;
  }

  async function lookUp(request: ResolveRequest, urgency: Urgency): Promise<Resolution> {
    const { uuid, channel } = request;
    const saved = await savedLookup(request);
    if (saved !== undefined && deps.now() - saved.fetchedAtMs < options.lookupFreshMs) {
      const entry = await deps.trust.judgeOld(saved.entry);
      return { kind: 'found', entry, cache: 'HIT', fetchedAtMs: saved.fetchedAtMs };
    }
    if (options.isOffline) {
      const kept = await keptImage(request);
      if (kept !== undefined) return kept;
      if (saved === undefined) throw notHereOffline(uuid, 'its manifest');
      return {
        kind: 'found',
        entry: await deps.trust.judgeOld(saved.entry),
        cache: 'STALE',
        fetchedAtMs: saved.fetchedAtMs,
      };
    }
    if (await deps.records.negatives.has(uuid, channel)) {
      deps.onNegative();
      return (await keptImage(request)) ?? { kind: 'absent' };
    }
    const { generation } = deps.records.negatives;
    const answer = await ask(request, urgency);
    if (answer.kind === 'found') {
      const { manifest, upstream } = answer.entry;
      origins.note(manifest);
      const fetchedAtMs = deps.now();
      const record = { upstream, manifest: manifest.json, fetchedAt: new Date(fetchedAtMs).toISOString() };
      await deps.records.lookups.set(uuid, channel, record, LOOKUP_KEPT_MS);
      return { kind: 'found', entry: await deps.trust.judge(answer.entry), cache: 'MISS', fetchedAtMs };
    }
    if (answer.kind === 'absent') deps.trust.noteAbsent(uuid);
    // What was cached here is still served by uuid, though its upstream has dropped it or cannot be asked.
    const kept = await keptImage(request);
    if (kept !== undefined) return kept;
    if (answer.kind === 'absent') {
      await deps.records.negatives.add(uuid, channel, options.negativeTtlMs, generation);
      return { kind: 'absent' };
    }
    if (saved !== undefined) {
      const entry = await deps.trust.judgeOld(saved.entry);
      return { kind: 'found', entry, cache: 'STALE', fetchedAtMs: saved.fetchedAtMs };
    }
    throw unknown(uuid, answer);
  }

  async function ask(request: ResolveRequest, urgency: Urgency): Promise<LookupAnswer> {
    const snapshots = [request.channel, undefined].map((channel) => deps.catalog.peek(channel)?.snapshot);
    const isKnownOrigin = origins.has(request.uuid, snapshots);
    if (asking >= maxLookups && !isKnownOrigin) {
      for (const { upstream } of deps.catalog.feeds()) deps.onRefused(upstream.name);
      return { kind: 'unknown', why: `${maxLookups} look-ups are under way already`, isRefused: true };
    }
    asking += 1;
    try {
      return await askUpstreams({ ...request, urgency, isKnownOrigin }, abort.signal);
    } finally {
      asking -= 1;
    }
  }

  async function savedLookup(
    request: ResolveRequest,
  ): Promise<{ entry: CatalogEntry; fetchedAtMs: number } | undefined> {
    const saved = await deps.records.lookups.get(request.uuid, request.channel);
    const entry = saved === undefined ? undefined : entryOf(saved.manifest, saved.upstream, request.uuid);
    if (saved === undefined || entry === undefined) return undefined;
    origins.note(entry.manifest);
    return { entry, fetchedAtMs: Date.parse(saved.fetchedAt) };
  }

  async function keptImage(request: ResolveRequest): Promise<FoundImage | undefined> {
    const kept = await deps.kept.get(request.uuid).catch((error: unknown) => {
      // Never absent: what cannot be read may be there.
      throw new MirrorError('ServiceUnavailableError', `whether image ${request.uuid} is kept here cannot be told`, {
        cause: error,
      });
    });
    if (kept === undefined) return undefined;
    const entry = entryOf(kept.manifest, kept.upstream, request.uuid);
    if (entry === undefined) return undefined;
    const feed = deps.catalog.feeds().find(({ upstream }) => upstream.name === kept.upstream);
    const channel = request.channel ?? feed?.defaultChannel;
    if (channel !== undefined && !isInChannel(entry.manifest, channel)) return undefined;
    origins.note(entry.manifest);
    const inForce = await deps.trust.judgeOld(entry);
    return { kind: 'found', entry: inForce, cache: 'STALE', fetchedAtMs: Date.parse(kept.fetchedAt) };
  }

  return { resolve, close: () => abort.abort() };
}

/** An entry for saved JSON; undefined where it is unsound. */
function entryOf(json: unknown, upstream: string, uuid: ImageUuid): CatalogEntry | undefined {
  const parsed = parseManifest(json, { requirePublished: false });
  return parsed.ok && parsed.manifest.uuid === uuid ? createEntry(parsed.manifest, upstream) : undefined;
}

function unknown(uuid: ImageUuid, { why, isLoop, isRefused }: UnknownAnswer): MirrorError {
  const code = isLoop === true ? 'LoopDetected' : 'ServiceUnavailableError';
  const isMeant = isRefused === true;
  return new MirrorError(code, `cannot tell whether image ${uuid} exists: ${why}`, { isMeant });
}
