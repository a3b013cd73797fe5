/** The image factories: `makeImage` for one, `makeCatalog` for thousands with the oddities of the real catalogs. */
import { makeImage } from './image.ts';
import type { MakeImageOptions, TestImage } from './image.ts';

export { makeImage } from './image.ts';
export type { MakeImageOptions, TestFile, TestIcon, TestImage } from './image.ts';

export interface MakeCatalogOptions {
  /** Different seeds give different uuids and bytes. Default `catalog`. */
  readonly seed?: number | string;
  /** When the first image was published; whole minutes. Default 2012-01-01. The next one follows a minute later, or ties. */
  readonly firstAt?: Date;
  /** False: plain manifests only; the ties stay. Default true. */
  readonly oddities?: boolean;
  /** Laid over every image's options. */
  readonly each?: MakeImageOptions;
}

const MINUTE_MS = 60_000;
const KINDS = [
  { type: 'zone-dataset', os: 'smartos' },
  { type: 'lx-dataset', os: 'linux' },
  { type: 'zvol', os: 'linux' },
  { type: 'other', os: 'other' },
] as const;

/** The spellings of `published_at` in real catalogs. Each adds less than a minute to the whole minute it is given. */
const TIME_SPELLINGS: readonly ((minute: string) => string)[] = [
  (minute) => `${minute}:00.000Z`,
  (minute) => `${minute}:00Z`,
  (minute) => `${minute}Z`,
  (minute) => `${minute}:00`,
  (minute) => `${minute}:00.5Z`,
  (minute) => `${minute}:00.47Z`,
  (minute) => `${minute}:03.477761Z`,
  (minute) => `${minute}:03.47776158Z`,
  (minute) => `${minute}:03.477761587Z`,
];

/**
 * `count` small images, each with real bytes (100 to 999), in ascending order of `published_at`. About one in seven ties with the
 * one before it, and numbers 995 to 1004 share one time, so that the first page of 1000 ends within a tie. With oddities:
 * all spellings of times, a numeric version, versions with slashes, `"v":"2"`, a string `image_size`, `files: []`, uuids
 * without a version digit, `public: false`, one sha1 under two uuids, text beyond ASCII.
 */
export function makeCatalog(count: number, options: MakeCatalogOptions = {}): TestImage[] {
  const seed = options.seed ?? 'catalog';
  const firstAtMs = (options.firstAt ?? new Date(Date.UTC(2012, 0, 1))).getTime();
  const isOdd = options.oddities ?? true;
  const images: TestImage[] = [];
  let minutes = 0;
  for (let index = 0; index < count; index += 1) {
    const isTie = index % 7 === 3 || (index > 995 && index < 1005);
    if (!isTie) minutes += 1;
    // Tied images take the plain spellings of one instant only: those with fractions would be later.
    const isTied = isTie || index % 7 === 2 || index === 995;
    const spelling = TIME_SPELLINGS[isOdd ? index % (isTied ? 4 : TIME_SPELLINGS.length) : 0] ?? String;
    const minute = new Date(firstAtMs + minutes * MINUTE_MS).toISOString().slice(0, 16);
    images.push(
      makeImage({
        seed: `${seed}/${index}`,
        name: `image-${index % 150}`,
        version: `${1 + Math.floor(index / 150)}.0.0`,
        size: 100 + (index % 900),
        publishedAt: spelling(minute),
        ...KINDS[index % KINDS.length],
        ...(isOdd ? oddityAt(index, seed) : {}),
        ...options.each,
      }),
    );
  }
  return images;
}

/** What is odd about the image at this place; most have nothing. */
function oddityAt(index: number, seed: number | string): MakeImageOptions {
  switch (index % 97) {
    case 11:
      return { version: 1 };
    case 13:
      return { version: `master/${index}.1.0` };
    case 17:
      return { extra: { v: '2' } };
    case 19:
      return { extra: { image_size: '10240' } };
    case 23:
      return { files: 0 };
    case 29:
      return { uuid: `07f360fd-12d5-e624-0279-${index.toString(16).padStart(12, '0')}` };
    case 31:
      return { public: false };
    case 37:
      // The bytes of the image before it.
      return { contentSeed: `${seed}/${index - 1}`, size: 100 + ((index - 1) % 900) };
    case 41:
      return { extra: { description: 'Größe: 10 µm — ≈ 日本語' } };
    default:
      return {};
  }
}
