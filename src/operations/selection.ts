/** From the texts of selectors to images. A whole uuid that no list has is asked for at the upstreams. */
import { randomUUID } from 'node:crypto';
import { channelFor, type KnownImage, type KnownImages } from '../catalog/known-images.ts';
import type { Resolver } from '../catalog/resolve.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { isImageUuid, type ImageUuid } from '../imgapi/ids.ts';
import type { Facts } from '../selector/match.ts';
import { explainWords } from '../selector/meant-by.ts';
import { formatNoMatch } from '../selector/no-match.ts';
import { formatSelectorProblem, parseSelectors, type SelectorProblem } from '../selector/parse.ts';
import { select } from '../selector/select.ts';
import type { Selector } from '../selector/selector.ts';
import type { Priority } from '../upstream/urgency.ts';

export interface SelectedImages {
  /** Sorted by (published_at, uuid). */
  readonly images: readonly KnownImage[];
  /** What was left open, each a sentence: a selector that selects nothing, an origin nobody knows, a list that is missing. */
  readonly warnings: readonly string[];
  /** Origins that `with-origins` asks for and that no list has; `unknownOrigin` of each is among the warnings. */
  readonly missingOrigins: readonly ImageUuid[];
  /** All that it was chosen from. */
  readonly among: readonly KnownImage[];
}

export interface Selection {
  /**
   * The images that any of the selectors selects; all that are known where there is none.
   * @throws MirrorError ValidationFailed for a selector that is wrong
   */
  all(selectors: readonly string[]): Promise<SelectedImages>;
  /** The same; @throws MirrorError NothingSelected where nothing is, saying what was understood and what comes near */
  some(selectors: readonly string[]): Promise<SelectedImages>;
  /** One image, asked for at the upstreams where it is not known. @throws MirrorError ResourceNotFound, ServiceUnavailableError */
  one(uuid: ImageUuid): Promise<KnownImage>;
}

export interface SelectionDeps {
  readonly known: KnownImages;
  readonly facts: Facts<KnownImage>;
  readonly resolver: Pick<Resolver, 'resolve'>;
  /** Resolves when the store is counted: before that nothing is known to be cached. */
  readonly whenCounted: () => Promise<void>;
  /** True: no list is ever current, and nobody needs to be told of it each time. Default false. */
  readonly isOffline?: boolean;
  /** What upstreams are asked for unlisted images for. Default `demand`: somebody waits for the answer. */
  readonly priority?: Priority;
}

/** Whole uuids that are asked for at the upstreams in one selection: the look-up budget is for clients too. */
const MAX_LOOKUPS = 50;
const EVERYTHING: Selector = { terms: [], latest: undefined, withOrigins: false };

export function createSelection(deps: SelectionDeps): Selection {
  const { known, facts, resolver, whenCounted, isOffline = false, priority = 'demand' } = deps;

  async function lookUp(uuid: ImageUuid): Promise<KnownImage | undefined> {
    const found = await resolver.resolve({ uuid, channel: undefined, requestId: randomUUID(), priority });
    return found.kind === 'absent' ? undefined : { ...found.entry, isListed: false };
  }

  /** @throws MirrorError ValidationFailed: all problems of all selectors in one */
  async function parse(texts: readonly string[]): Promise<readonly Selector[]> {
    const parsed = parseSelectors(texts);
    if (parsed.ok) return parsed.selectors;
    const hasWords = parsed.problems.some(({ word }) => word !== undefined);
    throw wrongSelectors(hasWords ? explainWords(parsed.problems, (await known.all()).images, facts) : parsed.problems);
  }

  async function choose(texts: readonly string[]): Promise<SelectedImages & { readonly empty: readonly string[] }> {
    const selectors = texts.length === 0 ? [EVERYTHING] : await parse(texts);
    await whenCounted();
    const { images: listed, isComplete } = await known.all(channelFor(selectors));
    const warnings: string[] = [];
    const images = [...listed];
    for (const uuid of unknownUuids(selectors, images)) {
      try {
        const found = await lookUp(uuid);
        if (found !== undefined) images.push(found);
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        warnings.push(`${uuid} could not be asked for: ${error.message}`);
      }
    }
    if (!isComplete && !isOffline) warnings.push('not all lists are current: images may be missing from what is known');
    const selected = select(selectors, images, facts);
    warnings.push(...selected.missingOrigins.map(unknownOrigin));
    const empty = texts.length === 0 ? [] : selected.empty.map(formatNoMatch);
    return { images: selected.images, missingOrigins: selected.missingOrigins, among: images, warnings, empty };
  }

  return {
    async all(texts) {
      const { warnings, empty, ...selected } = await choose(texts);
      return { ...selected, warnings: [...empty, ...warnings] };
    },
    async some(texts) {
      const { warnings, empty, ...selected } = await choose(texts);
      if (selected.images.length === 0) throw new MirrorError('NothingSelected', [...empty, ...warnings].join('\n'));
      return { ...selected, warnings: [...empty, ...warnings] };
    },
    async one(uuid) {
      await whenCounted();
      const { images } = await known.all();
      const found = images.find(({ manifest }) => manifest.uuid === uuid) ?? (await lookUp(uuid));
      if (found === undefined) throw new MirrorError('ResourceNotFound', `no upstream has an image ${uuid}`);
      return found;
    },
  };
}

/** The warning about an origin that no list has. */
export function unknownOrigin(uuid: ImageUuid): string {
  return `origin ${uuid} is in no list that is known`;
}

function wrongSelectors(problems: readonly SelectorProblem[]): MirrorError {
  const lines = problems.map((problem) => `selector ${formatSelectorProblem(problem)}`);
  const errors = lines.map((message) => ({ field: 'selectors', code: 'Invalid' as const, message }));
  return new MirrorError('ValidationFailed', lines.join('\n'), { errors });
}

function unknownUuids(selectors: readonly Selector[], images: readonly KnownImage[]): readonly ImageUuid[] {
  const named = selectors.flatMap(({ terms }) => terms.flatMap((term) => (term.kind === 'uuid' ? [term.prefix] : [])));
  const known = new Set(images.map(({ manifest }) => manifest.uuid));
  return [...new Set(named)]
    .filter(isImageUuid)
    .filter((uuid) => !known.has(uuid))
    .slice(0, MAX_LOOKUPS);
}
