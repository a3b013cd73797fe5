/** What of each upstream's list is merged: `upstreams[].include` and `exclude`. */
import type { Manifest } from '../imgapi/manifest.ts';
import { parseSelectors } from '../selector/parse.ts';
import { select } from '../selector/select.ts';
import type { Facts, Selectable } from '../selector/match.ts';
import type { Selector } from '../selector/selector.ts';

/** The part of an upstream's list that is merged. The same array for the same list, so that a merge can be kept by it. */
export type ListFilter = (upstream: string, manifests: readonly Manifest[]) => readonly Manifest[];

export interface FilteredUpstream {
  readonly name: string;
  /** Selectors: only these images. Empty: all. */
  readonly include: readonly string[];
  /** Selectors: none of these. It wins over `include`. */
  readonly exclude: readonly string[];
}

/** The selectors are right: the configuration refuses others. */
export function createListFilter(upstreams: readonly FilteredUpstream[]): ListFilter {
  const rules = new Map(
    upstreams
      .filter(({ include, exclude }) => include.length + exclude.length > 0)
      .map(({ name, include, exclude }) => [name, { include: parsed(include), exclude: parsed(exclude) }]),
  );
  const known = new WeakMap<readonly Manifest[], readonly Manifest[]>();
  return (upstream, manifests) => {
    const rule = rules.get(upstream);
    if (rule === undefined) return manifests;
    const before = known.get(manifests);
    if (before !== undefined) return before;
    const left = filtered(upstream, manifests, rule.include, rule.exclude);
    known.set(manifests, left);
    return left;
  };
}

function filtered(
  upstream: string,
  manifests: readonly Manifest[],
  include: readonly Selector[],
  exclude: readonly Selector[],
): readonly Manifest[] {
  const images = manifests.map((manifest) => ({ manifest }));
  const included = include.length === 0 ? images : select(include, images, factsOf(upstream)).images;
  const excluded = new Set(select(exclude, images, factsOf(upstream)).images.map(({ manifest }) => manifest.uuid));
  return included.flatMap(({ manifest }) => (excluded.has(manifest.uuid) ? [] : [manifest]));
}

/** What is cached, pinned and the like changes under a list: the configuration refuses to be asked for it here. */
function factsOf(upstream: string): Facts<Selectable> {
  return {
    isCached: () => false,
    isPinned: () => false,
    isContradicted: () => false,
    isListed: () => true,
    upstreamsOf: () => [upstream],
    channelsOf: ({ manifest }) => manifest.channels ?? [],
  };
}

function parsed(texts: readonly string[]): readonly Selector[] {
  const result = parseSelectors(texts);
  return result.ok ? result.selectors : [];
}
