/** Takes a bundle in: everything is staged and checked first, then published together. */
import type { SpaceKeeper } from '../blobs/reservation.ts';
import type { DiskBlobStore } from '../blobs/store.ts';
import { MirrorError } from '../imgapi/errors.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import { checkContent } from './check-contents.ts';
import { planImport, type ImportPlan, type PlanImportDeps } from './plan-import.ts';
import type { OpenBundle } from './read-bundle.ts';
import type { SpanDigester } from './span-digester.ts';
import { stageContents, type StagedContents } from './stage-contents.ts';

export interface ImportBundleDeps extends PlanImportDeps {
  readonly blobs: Pick<DiskBlobStore, 'facts' | 'stage'>;
  readonly space: Pick<SpaceKeeper, 'reserve'>;
  readonly kept: Pick<KeptManifests, 'get' | 'put'>;
  readonly digester: SpanDigester;
  /** So many more bytes of the bundle's contents are done. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * With `isDry` only the plan is made.
 * @throws MirrorError BundleRefused (nothing has changed then), Conflict, PreconditionFailedError, StorageFailed, InternalError;
 * the signal's reason. What is staged stays for another import, unless the bundle was refused.
 */
export async function importBundle(bundle: OpenBundle, isDry: boolean, deps: ImportBundleDeps): Promise<ImportPlan> {
  const plan = await planImport(bundle, deps);
  if (isDry) return plan;
  const staged = await stageContents(bundle, plan.toStore, deps);
  try {
    for (const entry of plan.toCheck) await checkContent(bundle, entry, deps);
    await staged.fill();
    await checkNeeded(plan, deps);
    await staged.publish();
  } catch (error) {
    await letGo(staged, error);
    throw error;
  }
  for (const kept of plan.toKeep) await deps.kept.put(kept);
  return plan;
}

async function letGo(staged: StagedContents, error: unknown): Promise<void> {
  const isRefused = error instanceof MirrorError && error.code === 'BundleRefused';
  if (isRefused) await staged.discard();
  else staged.keep();
}

/** What was here when it began may have been evicted since. */
async function checkNeeded({ needed }: ImportPlan, { blobs }: ImportBundleDeps): Promise<void> {
  for (const { sha1, size } of needed) {
    if ((await blobs.facts(sha1, size)) !== undefined) continue;
    throw new MirrorError('StorageFailed', `blob ${sha1} was evicted while the bundle was imported: import it again`);
  }
}
