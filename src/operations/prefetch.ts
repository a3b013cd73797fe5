/** `prefetch`: fetches images before anybody asks for them. What clients want goes before it. */
import type { Catalog } from '../catalog/catalog.ts';
import type { KnownImage } from '../catalog/known-images.ts';
import { roughSize } from '../config/units.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { Sha1Hex } from '../imgapi/ids.ts';
import type { Unresolvable } from '../prefetch/complete-chains.ts';
import type { PrefetchHolds } from '../prefetch/holds.ts';
import { orAborted } from '../prefetch/or-aborted.ts';
import { planPrefetch, type PlannedImage, type PrefetchPlan } from '../prefetch/plan.ts';
import { roomFor, type PrefetchRoom, type PrefetchRoomDeps } from '../prefetch/room.ts';
import { runPrefetch, type PrefetchedImage, type PrefetchRunnerDeps } from '../prefetch/runner.ts';
import { createPrefetchSources } from '../prefetch/sources.ts';
import { labelOf, type ImageLabel } from './image-label.ts';
import type { Operation, OperationContext } from './operation.ts';
import { collectWanted, type WantedDeps } from './prefetch-wanted.ts';

export interface PrefetchInput {
  readonly selectors: readonly string[];
  readonly dryRun?: boolean;
}

/** Bytes are those of files as they are transferred, but for what is to be evicted: that is of the disk. */
export interface PrefetchPlanReport {
  /** What is to be fetched; a file that two images share counts once. */
  readonly images: number;
  readonly files: number;
  readonly bytes: number;
  /** What is there already. */
  readonly presentImages: number;
  readonly presentBytes: number;
  /** What has to go for it; if `fits` is false, all that may go, and it is not enough. */
  readonly evictBlobs: number;
  readonly evictBytes: number;
  readonly fits: boolean;
  /** Origins that nobody gives a manifest of. */
  readonly unresolvable: readonly Unresolvable[];
}

export type PrefetchEvent =
  /** First, once. */
  | ({ readonly type: 'plan' } & PrefetchPlanReport)
  /** A file on its way, twice a second, and when it is there. `received`: bytes on disk. */
  | ({
      readonly type: 'file';
      readonly sha1: Sha1Hex;
      readonly received: number;
      readonly size: number;
    } & ImageLabel)
  /** An image is through. */
  | ({ readonly type: 'image' } & PrefetchedLabel)
  /** All of it, twice a second, and at the end. */
  | {
      readonly type: 'total';
      readonly received: number;
      readonly bytes: number;
      readonly filesDone: number;
      readonly files: number;
    };

export interface PrefetchedLabel extends ImageLabel {
  /** `already`: nothing of it was missing. */
  readonly result: PrefetchedImage['result'];
  /** Why it failed; else null. */
  readonly reason: string | null;
}

export interface PlannedLabel extends ImageLabel {
  readonly files: number;
  readonly bytes: number;
}

export interface PrefetchResult {
  readonly dryRun: boolean;
  readonly plan: PrefetchPlanReport;
  /** What was to be fetched, in the order it was: an origin before what rests on it. */
  readonly planned: readonly PlannedLabel[];
  /** Selected, and of no use: an origin of theirs is among the `unresolvable` of the plan. */
  readonly lackingOrigin: readonly ImageLabel[];
  /** These three are empty in a dry run. */
  readonly fetched: readonly ImageLabel[];
  readonly already: readonly ImageLabel[];
  readonly failed: readonly (ImageLabel & { readonly reason: string })[];
  /** Bytes of the files that were fetched, what an earlier run had left of them included. */
  readonly bytes: number;
  readonly warnings: readonly string[];
}

export interface PrefetchDeps extends Omit<PrefetchRunnerDeps, 'sourcesOf'>, PrefetchRoomDeps, WantedDeps {
  readonly catalog: Pick<Catalog, 'feeds' | 'peek'>;
  readonly isStored: (sha1: Sha1Hex) => boolean;
  /** Keeps the icon of an image that has one. Rejects where it cannot be had. */
  readonly fetchIcon: (image: KnownImage) => Promise<void>;
  readonly holds: PrefetchHolds;
  /** A run is over, however it ended; not called for dry runs. */
  readonly onEnd: (end: PrefetchEnd) => void;
}

/** `failed`: an image failed or could not be told, or it could not even begin. `refused`: what was asked for is wrong, or nothing. */
export type PrefetchRunResult = 'ok' | 'failed' | 'stopped' | 'refused';

/** What becomes of an image, for priming metrics. */
export const PREFETCH_IMAGE_RESULTS: readonly PrefetchedImage['result'][] = ['fetched', 'already', 'failed'];

export interface PrefetchEnd {
  readonly result: PrefetchRunResult;
  /** Images that were through, by what became of them. */
  readonly images: Readonly<Record<PrefetchedImage['result'], number>>;
}

export interface PrefetchOptions {
  /** Files at one time, of all upstreams together. */
  readonly concurrency: number;
}

/**
 * @throws MirrorError NothingSelected, ValidationFailed (a wrong selector), InsufficientSpace (before anything is fetched), InternalError
 * (the disk cannot tell). What fails later is in the result. Aborted, it throws the reason; the next run goes on where it stopped.
 */
export function createPrefetch(deps: PrefetchDeps, options: PrefetchOptions): Operation<PrefetchInput, PrefetchResult> {
  const runner = { ...deps, sourcesOf: createPrefetchSources(deps.catalog) };

  async function prefetch(input: PrefetchInput, context: OperationContext, ends: PrefetchedImage[]) {
    const { signal } = context;
    const tell = (event: PrefetchEvent): void => context.onEvent(event);
    const wanted = await collectWanted(deps, input.selectors, signal);
    const plan = planPrefetch(wanted.images, ({ sha1 }) => deps.isStored(sha1));
    const release = deps.holds.hold(wanted.images.flatMap(({ manifest: { files } }) => files.map(({ sha1 }) => sha1)));
    try {
      const room = await roomFor(plan, deps);
      const report = reportOf(plan, room, wanted.unresolvable);
      tell({ type: 'plan', ...report });
      const warnings = room.fits ? wanted.warnings : [...wanted.warnings, tooLarge(room)];
      const planned = plan.images.filter(isToFetch).map(plannedLabel);
      const about = { plan: report, planned, lackingOrigin: wanted.lackingOrigin.map(labelOf), warnings };
      if (input.dryRun === true) return { dryRun: true, ...about, fetched: [], already: [], failed: [], bytes: 0 };
      if (!room.fits) throw new MirrorError('InsufficientSpace', tooLarge(room));
      let bytes = 0;
      await runPrefetch(plan, runner, options, signal, {
        onFile: (image, { sha1, size }, received) => tell({ type: 'file', ...labelOf(image), sha1, received, size }),
        onImage(end) {
          ends.push(end);
          tell({ type: 'image', ...endLabel(end) });
        },
        onTotal(received, filesDone) {
          bytes = received;
          tell({ type: 'total', received, bytes: report.bytes, filesDone, files: report.files });
        },
      });
      const withIcons = [...warnings, ...(await fetchIcons(ends, deps, signal))];
      return { dryRun: false, ...about, warnings: withIcons, ...outcome(ends), bytes };
    } finally {
      release();
    }
  }

  return {
    async run(input, context) {
      const ends: PrefetchedImage[] = [];
      let result: PrefetchRunResult = 'failed';
      try {
        const done = await prefetch(input, context, ends);
        if (isComplete(done)) result = 'ok';
        return done;
      } catch (error) {
        if (context.signal.aborted) result = 'stopped';
        else if (error instanceof MirrorError && error.statusCode < 500) result = 'refused';
        throw error;
      } finally {
        if (input.dryRun !== true) deps.onEnd({ result, images: countOf(ends) });
      }
    },
  };
}

/** Whether all is there that anybody has: an origin that every upstream denies is no failure that trying again could mend. */
export function isComplete({ failed, plan }: Pick<PrefetchResult, 'failed' | 'plan'>): boolean {
  return failed.length === 0 && plan.unresolvable.every(({ absent }) => absent);
}

/** Small, and no reason to call a run failed: who misses one misses a picture. @returns what to say about those that could not be had */
async function fetchIcons(
  ends: readonly PrefetchedImage[],
  deps: Pick<PrefetchDeps, 'fetchIcon'>,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const warnings: string[] = [];
  for (const { image, result } of ends) {
    signal.throwIfAborted();
    if (result === 'failed' || !image.manifest.hasIcon) continue;
    try {
      await orAborted(deps.fetchIcon(image), signal);
    } catch (error) {
      if (!(error instanceof MirrorError)) throw error;
      warnings.push(`the icon of ${image.manifest.uuid} could not be fetched: ${error.message}`);
    }
  }
  return warnings;
}

function reportOf(plan: PrefetchPlan, room: PrefetchRoom, unresolvable: readonly Unresolvable[]): PrefetchPlanReport {
  return {
    ...plan.missing,
    presentImages: plan.present.images,
    presentBytes: plan.present.bytes,
    evictBlobs: room.evict.blobs,
    evictBytes: room.evict.bytes,
    fits: room.fits,
    unresolvable,
  };
}

function tooLarge({ neededBytes, roomBytes, evict }: PrefetchRoom): string {
  const [needed, room] = [neededBytes, Math.max(0, roomBytes)].map(roughSize);
  const more = evict.bytes === 0 ? 'nothing more could be evicted' : `${roughSize(evict.bytes)} could be evicted`;
  return `it does not fit: it needs ${needed} of the disk, there is room for ${room}, and ${more}; nothing was fetched`;
}

function isToFetch({ files, waitsForShared }: PlannedImage): boolean {
  return files.length > 0 || waitsForShared;
}

function plannedLabel({ image, files }: PlannedImage): PlannedLabel {
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  return { ...labelOf(image), files: files.length, bytes };
}

function endLabel({ image, result, reason }: PrefetchedImage): PrefetchedLabel {
  return { ...labelOf(image), result, reason: reason ?? null };
}

function outcome(ends: readonly PrefetchedImage[]): Pick<PrefetchResult, 'fetched' | 'already' | 'failed'> {
  const labels = (wanted: PrefetchedImage['result']): readonly ImageLabel[] =>
    ends.filter(({ result }) => result === wanted).map(({ image }) => labelOf(image));
  const failed = ends.flatMap(({ image, result, reason }) =>
    result === 'failed' ? [{ ...labelOf(image), reason: reason ?? 'unknown' }] : [],
  );
  return { fetched: labels('fetched'), already: labels('already'), failed };
}

function countOf(ends: readonly PrefetchedImage[]): PrefetchEnd['images'] {
  const count = (wanted: PrefetchedImage['result']): number => ends.filter(({ result }) => result === wanted).length;
  return { fetched: count('fetched'), already: count('already'), failed: count('failed') };
}
