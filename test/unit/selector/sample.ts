/** A small catalog for selectors: two names with several versions, a chain of origins, one image whose origin nobody knows. */
import type { Facts } from '../../../src/selector/match.ts';
import { parseSelector } from '../../../src/selector/parse.ts';
import { select, type Selection } from '../../../src/selector/select.ts';
import type { Selector } from '../../../src/selector/selector.ts';
import type { Manifest } from '../../../src/imgapi/manifest.ts';
import { manifestOf, sha1Of, uuidOf } from '../../support/manifest-of.ts';

export interface SampleImage {
  readonly manifest: Manifest;
  readonly upstreams: readonly string[];
}

const GIB = 1024 ** 3;

function image(n: number, upstream: string, fields: Readonly<Record<string, unknown>>, size = GIB): SampleImage {
  const files = [{ sha1: sha1Of(`file ${n}`), size }];
  return { manifest: manifestOf({ uuid: uuidOf(n), files, ...fields }), upstreams: [upstream] };
}

export const SAMPLE: readonly SampleImage[] = [
  image(1, 'main', { name: 'base-64', version: '22.4.0', published_at: '2023-01-10T17:07:00Z', tags: { role: 'os' } }),
  image(2, 'main', { name: 'base-64', version: '23.4.0', published_at: '2024-01-09T00:00:00Z', tags: { role: 'os' } }),
  image(3, 'main', { name: 'base-64', version: '24.4.0', published_at: '2025-01-13T00:00:00Z', tags: { role: 'os' } }),
  image(4, 'main', {
    name: 'postgres',
    version: '1.0.0',
    published_at: '2024-02-01T00:00:00Z',
    origin: uuidOf(2),
    tags: { role: 'db', 'docker:id': 'x y', cores: 2 },
  }),
  image(5, 'main', {
    name: 'postgres',
    version: '1.1.0',
    published_at: '2024-06-01T00:00:00.123456789Z',
    origin: uuidOf(4),
  }),
  image(6, 'extra', {
    name: 'debian-12',
    version: 20240612,
    os: 'linux',
    type: 'lx-dataset',
    published_at: '2024-06-12T10:30:15Z',
    channels: ['release', 'dev'],
  }),
  image(7, 'extra', { name: 'odd one', published_at: '2012-01-01T00:00:00Z', origin: uuidOf(99) }, 3 * GIB),
];

/** Nothing cached but images 1 and 2, nothing pinned but image 2; image 4 is in conflict, image 7 in no list. */
export const FACTS: Facts<SampleImage> = {
  isCached: ({ manifest }) => [uuidOf(1), uuidOf(2)].includes(manifest.uuid),
  isPinned: ({ manifest }) => manifest.uuid === uuidOf(2),
  isContradicted: ({ manifest }) => manifest.uuid === uuidOf(4),
  isListed: ({ manifest }) => manifest.uuid !== uuidOf(7),
  upstreamsOf: ({ upstreams }) => upstreams,
  channelsOf: ({ manifest }) => manifest.channels ?? [],
};

/** The selector of a text that must be right. */
export function selectorOf(text: string): Selector {
  const parsed = parseSelector(text);
  if (!parsed.ok) throw new TypeError(`${text}: ${parsed.problems.map(({ message }) => message).join('; ')}`);
  return parsed.selector;
}

/** What selectors select of the sample. */
export function selected(...texts: readonly string[]): Selection<SampleImage> {
  return select(texts.map(selectorOf), SAMPLE, FACTS);
}

/** The numbers of the sample's images that selectors select, in their order. */
export function numbers(...texts: readonly string[]): number[] {
  return selected(...texts).images.map(({ manifest }) => Number.parseInt(manifest.uuid.slice(0, 8), 16));
}
