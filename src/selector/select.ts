/** Finds the images of selectors. PURE: images and facts come in from outside. */
import { textOf } from '../imgapi/image-filter.ts';
import { comparePositions } from '../imgapi/list-query.ts';
import type { ImageUuid } from '../imgapi/ids.ts';
import { createMatcher, type Facts, type Selectable } from './match.ts';
import { explainNoMatch, type NoMatch } from './no-match.ts';
import type { Selector, Term } from './selector.ts';

export interface Selection<T extends Selectable> {
  /** Sorted by (published_at, uuid), each once. */
  readonly images: readonly T[];
  /** For each selector that selects nothing, in their order: why. */
  readonly empty: readonly NoMatch[];
  /** Origins that `with-origins` asked for and that are not among the images; sorted. */
  readonly missingOrigins: readonly ImageUuid[];
}

/**
 * The images that any of the selectors selects. The terms of one are ANDed; a beginning of a uuid that fits several
 * images selects none of them. Of images with the same uuid the first counts.
 * @param images all that are known; origins are looked for among them
 */
export function select<T extends Selectable>(
  selectors: readonly Selector[],
  images: Iterable<T>,
  facts: Facts<T>,
): Selection<T> {
  const byUuid = new Map<ImageUuid, T>();
  for (const image of images) if (!byUuid.has(image.manifest.uuid)) byUuid.set(image.manifest.uuid, image);
  const all = [...byUuid.values()];
  const selected = new Set<T>();
  const empty: NoMatch[] = [];
  const missing = new Set<ImageUuid>();
  for (const selector of selectors) {
    const found = newest(matching(selector.terms, all, facts), selector.latest);
    if (found.length === 0) empty.push(explainNoMatch(selector, all, facts));
    for (const image of selector.withOrigins ? withOrigins(found, byUuid, missing) : found) selected.add(image);
  }
  return { images: [...selected].toSorted(compareImages), empty, missingOrigins: [...missing].toSorted() };
}

/** The images that meet all the terms, in their order. */
function matching<T extends Selectable>(terms: readonly Term[], images: readonly T[], facts: Facts<T>): T[] {
  let left = images.slice();
  // Uuids first: what they leave is next to nothing for the others to look at, and whether a beginning is one image's
  // alone must not depend on the other terms.
  for (const term of terms.toSorted((a, b) => Number(b.kind === 'uuid') - Number(a.kind === 'uuid'))) {
    left = left.filter(createMatcher(term, facts));
    if (term.kind === 'uuid' && left.length > 1) left = [];
  }
  return left;
}

/** The `count` last published of each name; those without one count as one name. */
function newest<T extends Selectable>(images: readonly T[], count: number | undefined): readonly T[] {
  if (count === undefined) return images;
  const taken = new Map<string | undefined, number>();
  return images
    .toSorted((a, b) => compareImages(b, a))
    .filter(({ manifest }) => {
      const name = textOf(manifest.json['name']);
      const before = taken.get(name) ?? 0;
      taken.set(name, before + 1);
      return before < count;
    });
}

/** These and all they rest on; an origin nobody knows goes into `missing`. A circle of origins is gone through once. */
function withOrigins<T extends Selectable>(
  images: readonly T[],
  byUuid: ReadonlyMap<ImageUuid, T>,
  missing: Set<ImageUuid>,
): ReadonlySet<T> {
  const closure = new Set(images);
  // A Set is walked to its end, what is added on the way included.
  for (const { manifest } of closure) {
    if (manifest.origin === undefined) continue;
    const origin = byUuid.get(manifest.origin);
    if (origin === undefined) missing.add(manifest.origin);
    else closure.add(origin);
  }
  return closure;
}

function compareImages(a: Selectable, b: Selectable): number {
  return comparePositions(a.manifest, b.manifest);
}
