/** What operations on images need of the rooms, faked: five images, of which two are cached and one is pinned. */
import type { KnownImage, KnownImages } from '../../../src/catalog/known-images.ts';
import type { Resolver } from '../../../src/catalog/resolve.ts';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { createSelection, type Selection } from '../../../src/operations/selection.ts';
import type { OperationContext } from '../../../src/operations/operation.ts';
import type { Facts } from '../../../src/selector/match.ts';
import { manifestOf, uuidOf } from '../../support/manifest-of.ts';

/** Numbers stand for uuids, as in `uuidOf`. */
export const KNOWN: readonly KnownImage[] = [
  known(1, { name: 'base', version: '1.0.0', published_at: '2020-01-01T00:00:00Z' }),
  known(2, { name: 'base', version: '2.0.0', published_at: '2021-01-01T00:00:00Z' }),
  known(3, { name: 'web', version: 3, origin: uuidOf(1), published_at: '2022-01-01T00:00:00Z' }),
  known(4, { name: 'shop', version: '1', origin: uuidOf(3), published_at: '2023-01-01T00:00:00Z' }),
  known(5, { name: 'odd', version: '1', origin: uuidOf(99), published_at: '2024-01-01T00:00:00Z' }),
];

/** Images 1 and 3 are cached, image 3 is pinned, image 2 is in conflict. */
export const FACTS: Facts<KnownImage> = {
  isCached: ({ manifest }) => [uuidOf(1), uuidOf(3)].includes(manifest.uuid),
  isPinned: ({ manifest }) => manifest.uuid === uuidOf(3),
  isContradicted: ({ manifest }) => manifest.uuid === uuidOf(2),
  isListed: ({ isListed }) => isListed,
  upstreamsOf: ({ upstreams }) => upstreams,
  channelsOf: ({ manifest }) => manifest.channels ?? [],
};

export const NO_CONTEXT: OperationContext = { signal: new AbortController().signal, onEvent() {} };

export function known(n: number, fields: Readonly<Record<string, unknown>>, isListed = true): KnownImage {
  const manifest = manifestOf({ uuid: uuidOf(n), ...fields });
  return { manifest, upstream: 'up0', upstreams: ['up0', 'up1'], isListed };
}

export interface FakeKnown {
  readonly selection: Selection;
  readonly known: KnownImages;
  /** Uuids that were asked for at the upstreams, in order. */
  readonly asked: readonly string[];
  /** Every `channel` that was asked for. */
  readonly channels: readonly (string | undefined)[];
}

/** Upstreams have the images of `elsewhere` beside the known ones; those of `unsure` cannot be asked for. */
export function fakeKnown(
  options: {
    readonly elsewhere?: readonly KnownImage[];
    readonly unsure?: readonly string[];
    readonly isComplete?: boolean;
    readonly isOffline?: boolean;
    readonly whenCounted?: () => Promise<void>;
  } = {},
): FakeKnown {
  const asked: string[] = [];
  const channels: (string | undefined)[] = [];
  const images: KnownImages = {
    async all(channel) {
      channels.push(channel);
      return { images: KNOWN, isComplete: options.isComplete ?? true };
    },
  };
  const resolver: Pick<Resolver, 'resolve'> = {
    async resolve({ uuid }) {
      asked.push(uuid);
      if (options.unsure?.includes(uuid)) throw new MirrorError('ServiceUnavailableError', 'up0 does not answer');
      const entry = options.elsewhere?.find(({ manifest }) => manifest.uuid === uuid);
      return entry === undefined ? { kind: 'absent' } : { kind: 'found', entry, cache: 'MISS', fetchedAtMs: 0 };
    },
  };
  const whenCounted = options.whenCounted ?? (async () => undefined);
  return {
    selection: createSelection({
      known: images,
      facts: FACTS,
      resolver,
      whenCounted,
      isOffline: options.isOffline ?? false,
    }),
    known: images,
    asked,
    channels,
  };
}

/** The numbers of images. */
export function numbersOf(images: readonly { readonly manifest: { readonly uuid: string } }[]): number[] {
  return images.map(({ manifest }) => Number.parseInt(manifest.uuid.slice(0, 8), 16));
}
