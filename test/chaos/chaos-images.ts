/** What the upstreams of a chaos run have: sizes around every boundary of the mirror, origins, and images that share their bytes. */
import { WITHHELD_BYTES } from '../../src/downloads/growing-file.ts';
import { makeImage } from '../support/images.ts';
import type { TestFile, TestImage } from '../support/images.ts';
import type { Random } from './random.ts';

const SIZES: readonly number[] = [
  0,
  1,
  2,
  231,
  1_000,
  WITHHELD_BYTES - 1,
  WITHHELD_BYTES,
  WITHHELD_BYTES + 1,
  131_071,
  131_072,
  131_073,
  262_144,
  300_001,
  500_000,
  700_000,
  1_048_575,
  1_048_576,
  1_048_577,
  2_000_003,
  3_000_000,
];
const COUNT = 60;

/** One file to ask for. */
export interface ChaosFile {
  readonly image: TestImage;
  readonly index: number;
  readonly file: TestFile;
}

/** Every third image has the bytes of the one before; every fourth has an origin; every tenth has two files. */
export function makeChaosImages(): TestImage[] {
  const images: TestImage[] = [];
  for (let at = 0; at < COUNT; at += 1) {
    const content = at % 3 === 2 ? at - 1 : at;
    const origin = at % 4 === 3 ? images.at(-1) : undefined;
    images.push(
      makeImage({
        name: `chaos-${at}`,
        seed: `chaos-${at}`,
        contentSeed: `chaos-content-${content}`,
        size: SIZES[content % SIZES.length] ?? 0,
        files: at % 10 === 9 ? 2 : 1,
        ...(origin === undefined ? {} : { origin }),
      }),
    );
  }
  return images;
}

export function filesOf(images: readonly TestImage[]): ChaosFile[] {
  return images.flatMap((image) => image.files.map((file, index) => ({ image, index, file })));
}

/** A byte of a file of this size, or of its end: often one where something changes. */
export function anyByte(random: Random, size: number): number {
  const edges = [0, 1, size - WITHHELD_BYTES - 1, size - WITHHELD_BYTES, size - WITHHELD_BYTES + 1, size - 1, size];
  const byte = random.chance(0.5) ? random.pick(edges) : random.int(0, size);
  return Math.max(0, Math.min(size, byte));
}
