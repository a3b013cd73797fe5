/**
 * Looks after the pins as the catalog changes: pins what configured selectors match by now, lets go of what they do not
 * match any more, and keeps the manifests of origins that were not known when their image was pinned.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { channelFor, type KnownImage, type KnownImages } from '../catalog/known-images.ts';
import type { Log } from '../config/log.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import type { ImageIndex } from '../records/image-index.ts';
import type { Keeper } from '../records/keeper.ts';
import type { Facts } from '../selector/match.ts';
import { formatNoMatch } from '../selector/no-match.ts';
import { select } from '../selector/select.ts';
import type { Selector } from '../selector/selector.ts';
import { chainsOf, keepManifests } from './keep-chains.ts';
import type { Pins } from './pins.ts';

export interface PinUpkeep {
  /** The selectors whose images are pinned, by configuration; in force from the next look on, which begins at once once started. */
  setConfigured(selectors: readonly Selector[]): void;
  /** One look. Never rejects: what went wrong is logged and tried again the next time. */
  look(): Promise<void>;
  /** Looks now and every `everyMs`. */
  start(): void;
  /** Resolves when nothing is being written any more. */
  close(): Promise<void>;
}

export interface PinUpkeepDeps {
  readonly pins: Pins;
  readonly known: KnownImages;
  readonly facts: Facts<KnownImage>;
  readonly index: Pick<ImageIndex, 'get'>;
  readonly keeper: Pick<Keeper, 'keep'>;
  /** Removes the kept manifest of an image nothing of which is stored, unless it is held. */
  readonly forgetUnstored: (uuid: ImageUuid) => Promise<void>;
  readonly log: Log;
}

export function createPinUpkeep(deps: PinUpkeepDeps, options: { readonly everyMs: number }): PinUpkeep {
  const { pins, log } = deps;
  const stopping = new AbortController();
  const stopped = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  let configured: readonly Selector[] = [];
  /** Selectors that matched nothing, each complained about once. */
  let warned = new Set<string>();
  let looking: Promise<void> | undefined;
  let wake = new AbortController();
  let loop: Promise<void> | undefined;

  async function lookOnce(): Promise<void> {
    await pins.load();
    // Nothing to look after: without this a mirror without pins would read its kept manifests for nothing.
    if (configured.length === 0 && pins.all().length === 0) return;
    // The wait for the first lists must not hold up the end.
    const found = await Promise.race([deps.known.all(channelFor(configured)), stopped]);
    if (found === undefined) return;
    const { images, isComplete } = found;
    const byUuid = new Map(images.map((image) => [image.manifest.uuid, image]));
    await pinConfigured(images, byUuid, isComplete);
    const pinned = pins.all().map(({ uuid }) => uuid);
    await keepManifests([...pinned, ...chainsOf(pinned, byUuid).origins], byUuid, deps);
  }

  async function pinConfigured(
    images: readonly KnownImage[],
    byUuid: ReadonlyMap<ImageUuid, KnownImage>,
    isComplete: boolean,
  ): Promise<void> {
    const selection = select(configured, images, deps.facts);
    const matched = new Set(selection.images.map(({ manifest }) => manifest.uuid));
    const added = await pins.add(matched, 'config');
    if (added.length > 0) log.info({ images: added.length }, 'pinned by configuration');
    // An image that its upstream cannot show just now is not one that is not matched any more.
    if (!isComplete) return;
    for (const nothing of selection.empty) {
      if (warned.has(nothing.selector)) continue;
      warned.add(nothing.selector);
      log.warn({ key: 'prefetch[].select' }, formatNoMatch(nothing));
    }
    const outdated = pins.all().filter(({ uuid, by }) => by === 'config' && !matched.has(uuid));
    const removed = await pins.remove(
      outdated.map(({ uuid }) => uuid),
      'config',
    );
    if (removed.length === 0) return;
    log.info({ images: removed.length }, 'no longer pinned by configuration');
    for (const uuid of [...removed, ...chainsOf(removed, byUuid).origins]) await deps.forgetUnstored(uuid);
  }

  async function look(): Promise<void> {
    looking ??= lookOnce()
      .catch((error: unknown) => log.error({ err: error }, 'pins could not be looked after; tried again'))
      .finally(() => {
        looking = undefined;
      });
    await looking;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      const { signal } = wake;
      await look();
      // Woken early by new selectors, or by the end.
      await sleep(options.everyMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  function wakeUp(): void {
    wake.abort();
    wake = new AbortController();
  }

  return {
    setConfigured(selectors) {
      configured = selectors;
      warned = new Set();
      wakeUp();
    },
    look,
    start() {
      if (!stopping.signal.aborted) loop ??= run();
    },
    async close() {
      stopping.abort();
      wakeUp();
      await loop;
      await looking;
    },
  };
}
