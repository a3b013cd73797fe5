/**
 * What was first seen of an image stays in force until an operator accepts something else: the SHA-1s and sizes of its
 * files, with its whole manifest. An upstream that says otherwise, in a list or a look-up, is a conflict.
 */
import { LRUCache } from 'lru-cache';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { parseManifest, type ImageFile, type Manifest } from '../imgapi/manifest.ts';
import { keptUpstream } from '../records/kept-manifests.ts';
import type { KeptManifest, KeptManifests, KeptTrust } from '../records/kept-manifests.ts';
import type { Records } from '../records/records.ts';
import { acceptedOf, conflictOf, rememberedIsLost, type Accepted, type TrustConflict } from './conflict.ts';
import { createContradictions, keptContradiction, type Contradiction } from './contradictions.ts';
import { relationOf } from './file-facts.ts';
import { createMemory } from './memory.ts';
import { readKept, readSavedConflicts } from './read-trust.ts';
import { parseFacts, type Remembered } from './remembered.ts';
import { isSameJson } from './same-json.ts';
import { createTrustWriter } from './trust-writer.ts';

/** What one upstream says of one image. */
export interface SaidImage {
  readonly manifest: Manifest;
  /** The upstream's name. */
  readonly upstream: string;
}

/** What is served of an image. */
export interface ImageInForce extends SaidImage {
  /** Who may have its files, `upstream` first; empty if its own upstream now says otherwise. */
  readonly upstreams: readonly string[];
  /** Present where who was asked says otherwise: the manifest is the remembered one. */
  readonly isRemembered?: true;
}

/** One view of the catalog, merged with `recall`. */
export interface SettledView {
  readonly view: string;
  readonly lists: readonly {
    readonly upstream: string;
    readonly manifests: readonly Manifest[];
    /** False: from before the restart or before trouble; what it lacks says nothing. */
    readonly isFresh: boolean;
  }[];
  readonly entries: readonly ImageInForce[];
  /** Who contradicts what is in force. */
  readonly conflicts: readonly SaidImage[];
}

export interface Trust {
  /** Reads what earlier runs have seen; before anything else. Again is harmless. */
  load(): Promise<void>;
  recall(uuid: ImageUuid): Remembered | undefined;
  /**
   * Gets ready for a list to be merged: reads the remembered manifests it contradicts. @returns the list, with manifests that
   * are just as remembered in place of equal ones, so that each is in memory once. `isSaved`: it is from an earlier run.
   */
  prepare(upstream: string, manifests: readonly Manifest[], isSaved: boolean): Promise<readonly Manifest[]>;
  /** Remembers what a view shows, and who contradicts it. */
  settle(view: SettledView): void;
  /**
   * Remembers an image that is about to be served, if it is seen for the first time. @returns false if it contradicts what is
   * remembered, which changes nothing
   */
  remember(image: SaidImage): boolean;
  /**
   * What is in force of an image of which an upstream has just said this.
   * @throws MirrorError TrustConflict if it contradicts a remembered manifest that cannot be read
   */
  judge(said: SaidImage): Promise<ImageInForce>;
  /** The same for what was said some time ago: it changes nothing that is remembered, and is no conflict. @throws as `judge` */
  judgeOld(said: SaidImage): Promise<ImageInForce>;
  /** Every upstream has confirmed that it does not have the image: who contradicted it in a look-up no longer does. */
  noteAbsent(uuid: ImageUuid): void;
  /** What is kept beside its manifest; undefined for one that was never seen. */
  keptTrust(uuid: ImageUuid): KeptTrust | undefined;
  /** How many images are contradicted now. */
  readonly conflictCount: number;
  isContradicted(uuid: ImageUuid): boolean;
  /** The contradicted images, the oldest conflict first. */
  conflicts(): readonly TrustConflict[];
  /** What `accept` would change. @throws as `accept` */
  preview(uuid: ImageUuid): Accepted;
  /**
   * What the highest in precedence of those that contradict an image says is in force from now on, on disk too.
   * @throws MirrorError ResourceNotFound if the image was never seen, NothingSelected if nobody contradicts it
   */
  accept(uuid: ImageUuid): Promise<Accepted>;
  /** Writes what is pending. */
  close(): Promise<void>;
}

export interface TrustDeps {
  readonly records: Pick<Records, 'trust'>;
  readonly kept: Pick<KeptManifests, 'get' | 'put' | 'all'>;
  /** Names, in precedence order. */
  readonly upstreams: readonly string[];
  /** Something else is in force of the image: whoever shows it looks again. */
  readonly onAccepted: (uuid: ImageUuid) => void;
  readonly log: Log;
  /** ms since the epoch. */
  readonly now: () => number;
}

export interface TrustOptions {
  /** Images remembered at most; later ones are served as their upstream says, and it is logged. Default 500,000: some 200 MB. */
  readonly maxImages?: number;
}

/** Conflicts that were logged already: not at every refresh, and not again if an upstream wavers. */
const MAX_REPORTED = 10_000;
const REPORTED_FOR_MS = 24 * 60 * 60_000;
/** An upstream that contradicts all at once: so many lines, then their number. */
const MAX_LINES_AT_ONCE = 20;
export function createTrust(deps: TrustDeps, options: TrustOptions = {}): Trust {
  const { records, kept, log, now } = deps;
  const maxImages = options.maxImages ?? 500_000;
  const memory = createMemory({ records: records.trust, kept, log });
  const contradictions = createContradictions();
  const reported = new LRUCache<string, true>({ max: MAX_REPORTED, ttl: REPORTED_FOR_MS, updateAgeOnHas: true });
  let loading: Promise<void> | undefined;
  let isFull = false;

  const writer = createTrustWriter({
    records: records.trust,
    all: () => memory.all,
    conflicts: () => contradictions.uuids().map((uuid) => [uuid, contradictions.of(uuid).map(keptContradiction)]),
    updateKept,
    log,
  });

  async function load(): Promise<void> {
    const buckets = await records.trust.facts();
    for (const text of buckets) for (const [uuid, remembered] of parseFacts(text ?? '')) memory.set(uuid, remembered);
    const isWhole = buckets.every((text) => text !== undefined);
    const saved = readSavedConflicts(await records.trust.conflicts());
    if (!isWhole) saved.push(...(await loadKept()));
    for (const [uuid, said] of saved) {
      const remembered = memory.get(uuid);
      if (remembered === undefined || !deps.upstreams.includes(said.upstream)) continue;
      if (relationOf(remembered.files, said.manifest.files) !== 'contradicts') continue;
      contradictions.set(uuid, said);
      reported.set(reportKey(uuid, said), true);
    }
    await memory.recallAll(contradictions.uuids());
    if (!isWhole) writer.allChanged();
    if (contradictions.size > 0) log.warn({ conflicts: contradictions.size }, 'trust conflicts wait to be looked at');
  }

  /** The records were lost, or this is the first run that remembers: what is cached is known by its kept manifests. */
  async function loadKept(): Promise<[ImageUuid, Contradiction][]> {
    const found: [ImageUuid, Contradiction][] = [];
    for await (const one of kept.all()) {
      const read = readKept(one);
      if (read === undefined || memory.get(read.uuid) !== undefined) continue;
      memory.set(read.uuid, read.remembered);
      found.push(...read.contradictions.map((said): [ImageUuid, Contradiction] => [read.uuid, said]));
    }
    return found;
  }

  /** Brings `manifests/<uuid>.json` up to date, where there is one. Whoever puts one adds what `keptTrust` says. */
  async function updateKept(uuid: ImageUuid): Promise<void> {
    const remembered = memory.get(uuid);
    const before = await kept.get(uuid);
    if (before === undefined || remembered?.manifest === undefined) return;
    const { upstream, manifest } = remembered;
    const isSameImage = relationOf(manifest.files, filesOf(before)) === 'same';
    const owner = isSameImage ? keptUpstream(before, upstream) : upstream;
    const icon = isSameImage && before.icon !== undefined ? { icon: before.icon } : {};
    const trust = keptTrust(uuid);
    await kept.put({
      upstream: owner,
      fetchedAt: new Date(now()).toISOString(),
      manifest: manifest.json,
      ...icon,
      ...(trust === undefined ? {} : { trust }),
    });
  }

  function keptTrust(uuid: ImageUuid): KeptTrust | undefined {
    const remembered = memory.get(uuid);
    if (remembered === undefined) return undefined;
    const firstSeenAt = new Date(remembered.sinceMs).toISOString();
    const said = inPrecedence(contradictions.of(uuid)).map(keptContradiction);
    return said.length === 0 ? { firstSeenAt } : { firstSeenAt, contradictions: said };
  }

  function remember({ manifest, upstream }: SaidImage): boolean {
    const { uuid, files } = manifest;
    const known = memory.get(uuid);
    if (known?.manifest === manifest && known.upstream === upstream) return true;
    if (known === undefined && memory.all.size >= maxImages) {
      if (!isFull) log.error({ maxImages }, 'no more images can be remembered: new ones are not protected');
      isFull = true;
      return true;
    }
    const relation = known === undefined ? undefined : relationOf(known.files, files);
    if (relation === 'contradicts') return false;
    const isSame = known?.manifest !== undefined && isSameJson(known.manifest.json, manifest.json);
    memory.set(uuid, {
      files,
      upstream,
      sinceMs: known?.sinceMs ?? now(),
      manifest: isSame ? known.manifest : manifest,
    });
    if (relation !== 'same' || known?.upstream !== upstream) writer.factsChanged(uuid);
    if (!isSame) writer.manifestChanged(uuid);
    if (known !== undefined) writer.keptChanged(uuid);
    return true;
  }

  /** @returns whether it is worth a line in the log */
  function contradict(uuid: ImageUuid, said: Contradiction): boolean {
    if (!contradictions.set(uuid, said)) return false;
    writer.conflictsChanged();
    writer.keptChanged(uuid);
    const key = reportKey(uuid, said);
    if (reported.has(key)) return false;
    reported.set(key, true);
    return true;
  }

  function agree(uuid: ImageUuid, upstream: string): void {
    if (!contradictions.delete(uuid, upstream)) return;
    writer.conflictsChanged();
    writer.keptChanged(uuid);
  }

  function report(uuid: ImageUuid, { manifest, upstream }: SaidImage): void {
    const remembered = memory.get(uuid);
    const conflict = {
      uuid,
      name: manifest.json['name'],
      version: manifest.json['version'],
      remembered: { upstream: remembered?.upstream, files: remembered?.files },
      says: { upstream, files: manifest.files },
    };
    log.warn({ conflict }, 'an upstream disagrees with what is remembered of an image, which stays in force');
  }

  function settle({ view, lists, entries, conflicts }: SettledView): void {
    for (const entry of entries) if (entry.isRemembered === undefined) remember(entry);
    const news: SaidImage[] = [];
    const current = new Set<string>();
    for (const said of conflicts) {
      const { uuid } = said.manifest;
      current.add(`${uuid} ${said.upstream}`);
      if (contradict(uuid, { ...said, sinceMs: now(), origin: 'list', view })) news.push(said);
    }
    for (const said of news.slice(0, MAX_LINES_AT_ONCE)) report(said.manifest.uuid, said);
    if (news.length > MAX_LINES_AT_ONCE)
      log.warn({ more: news.length - MAX_LINES_AT_ONCE }, 'more images that an upstream disagrees on');
    endOld(view, lists, current);
  }

  /** Ends the contradictions that the fresh lists of a view no longer hold. */
  function endOld(view: string, lists: SettledView['lists'], current: ReadonlySet<string>): void {
    const listed = new Map<string, ReadonlySet<ImageUuid>>();
    const listedBy = ({ upstream, manifests }: SettledView['lists'][number]): ReadonlySet<ImageUuid> => {
      const known = listed.get(upstream) ?? new Set(manifests.map(({ uuid }) => uuid));
      listed.set(upstream, known);
      return known;
    };
    for (const uuid of contradictions.uuids()) {
      for (const said of contradictions.of(uuid)) {
        const list = lists.find(({ upstream, isFresh }) => isFresh && upstream === said.upstream);
        if (list === undefined || current.has(`${uuid} ${said.upstream}`)) continue;
        // A list without the image takes back what a list said; look-ups are about images that no list has.
        const isTakenBack = said.origin === 'list' && (said.view ?? view) === view;
        if (isTakenBack || listedBy(list).has(uuid)) agree(uuid, said.upstream);
      }
    }
  }

  async function rememberedInForce(uuid: ImageUuid): Promise<ImageInForce> {
    const manifest = await memory.recall(uuid);
    const known = memory.get(uuid);
    if (manifest === undefined || known === undefined) throw rememberedIsLost(uuid);
    const upstreams = contradictions.has(uuid, known.upstream) ? [] : [known.upstream];
    const isContradicted = contradictions.of(uuid).length > 0;
    return { manifest, upstream: known.upstream, upstreams, ...(isContradicted ? { isRemembered: true } : {}) };
  }

  function relationTo({ manifest }: SaidImage): ReturnType<typeof relationOf> {
    const known = memory.get(manifest.uuid);
    return known === undefined ? 'same' : relationOf(known.files, manifest.files);
  }

  function inPrecedence(said: readonly Contradiction[]): readonly Contradiction[] {
    return said.toSorted((a, b) => deps.upstreams.indexOf(a.upstream) - deps.upstreams.indexOf(b.upstream));
  }

  /** @throws MirrorError as `accept` */
  function changeOf(uuid: ImageUuid): { readonly change: Accepted; readonly said: Contradiction } {
    const remembered = memory.get(uuid);
    if (remembered === undefined) throw new MirrorError('ResourceNotFound', `image ${uuid} was never seen here`);
    const [said] = inPrecedence(contradictions.of(uuid));
    if (said !== undefined) return { change: acceptedOf(uuid, remembered, said), said };
    const message = `no upstream contradicts what is remembered of image ${uuid}`;
    throw new MirrorError('NothingSelected', message);
  }

  return {
    async load() {
      await (loading ??= load());
    },
    recall: (uuid) => memory.get(uuid),

    prepare: (upstream, manifests, isSaved) => memory.share(upstream, manifests, isSaved),
    settle,
    remember,

    async judge(said) {
      const { uuid } = said.manifest;
      if (relationTo(said) !== 'contradicts') {
        remember(said);
        agree(uuid, said.upstream);
        return { ...said, upstreams: [said.upstream] };
      }
      if (contradict(uuid, { ...said, sinceMs: now(), origin: 'lookup', view: undefined })) report(uuid, said);
      return rememberedInForce(uuid);
    },

    async judgeOld(said) {
      if (relationTo(said) === 'contradicts') return rememberedInForce(said.manifest.uuid);
      const known = memory.get(said.manifest.uuid);
      if (known === undefined) remember(said);
      return { ...said, manifest: known?.manifest ?? said.manifest, upstreams: [said.upstream] };
    },

    noteAbsent(uuid) {
      for (const { upstream, origin } of contradictions.of(uuid)) if (origin === 'lookup') agree(uuid, upstream);
    },

    keptTrust,
    get conflictCount() {
      return contradictions.size;
    },
    isContradicted: (uuid) => contradictions.of(uuid).length > 0,

    conflicts: () =>
      contradictions
        .uuids()
        .flatMap((uuid) => {
          const remembered = memory.get(uuid);
          return remembered === undefined ? [] : [conflictOf(uuid, remembered, inPrecedence(contradictions.of(uuid)))];
        })
        .toSorted((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0)),

    preview: (uuid) => changeOf(uuid).change,

    async accept(uuid) {
      const { change, said } = changeOf(uuid);
      const { manifest, upstream } = said;
      memory.set(uuid, { files: manifest.files, upstream, sinceMs: now(), manifest });
      for (const other of contradictions.of(uuid))
        if (relationOf(manifest.files, other.manifest.files) !== 'contradicts') agree(uuid, other.upstream);
      writer.manifestChanged(uuid);
      writer.factsChanged(uuid);
      writer.keptChanged(uuid);
      log.info({ accepted: change }, 'a change of an image was accepted');
      deps.onAccepted(uuid);
      await writer.flush();
      return change;
    },

    async close() {
      await writer.close();
    },
  };
}

function filesOf({ manifest }: KeptManifest): readonly ImageFile[] {
  const parsed = parseManifest(manifest, { requirePublished: false });
  return parsed.ok ? parsed.manifest.files : [];
}

function reportKey(uuid: ImageUuid, { upstream, manifest }: SaidImage): string {
  return [uuid, upstream, ...manifest.files.map(({ sha1, size }) => `${sha1}:${size}`)].join(' ');
}
