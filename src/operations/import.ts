/** `import`: takes the images of a bundle in. They form an upstream of their own, named `imported`. */
import { importBundle, type ImportBundleDeps } from '../bundle/import-bundle.ts';
import { openBundle } from '../bundle/read-bundle.ts';
import { readTrustedKey } from '../bundle/signing.ts';
import { createSpanDigester } from '../bundle/span-digester.ts';
import type { Log } from '../config/log.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { createBundleProgress, type BundleProgressEvent } from './bundle-progress.ts';
import type { Operation } from './operation.ts';
import { contentBytesOf, summaryOf, type BundleSummary } from './verify.ts';

/** Paths are absolute, on the mirror's machine. */
export interface ImportInput {
  /** The file, its first volume, or the name that the volumes have in common. */
  readonly bundle: string;
  /** An Ed25519 public key in PEM: what it has not signed is refused. */
  readonly trust?: string;
  /** Checks all but the contents of the files, and says what would be done. */
  readonly dryRun?: boolean;
}

export type ImportEvent = BundleProgressEvent;

export interface ImportResult extends BundleSummary {
  /** Images whose manifests were in the bundle, and are kept: all but the unchanged. */
  readonly imported: number;
  /** Files that were not here, and their bytes. */
  readonly storedFiles: number;
  readonly storedBytes: number;
  readonly dryRun: boolean;
}

export interface ImportDeps extends Omit<ImportBundleDeps, 'digester' | 'signal' | 'onBytes'> {
  readonly log: Log;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
  /** Images have appeared: whoever lists them looks again. */
  readonly onImported: () => Promise<void>;
}

export function createImport(deps: ImportDeps): Operation<ImportInput, ImportResult> {
  const { log, monotonicNow } = deps;
  let isRunning = false;

  async function run(
    { bundle: path, trust, dryRun = false }: ImportInput,
    signal: AbortSignal,
    onEvent: (event: ImportEvent) => void,
  ): Promise<ImportResult> {
    const trusted = trust === undefined ? undefined : await readTrustedKey(trust);
    const bundle = await openBundle(path, trusted, signal);
    const digester = createSpanDigester();
    try {
      const progress = createBundleProgress({ monotonicNow, onEvent }, contentBytesOf(bundle));
      const onBytes = (bytes: number): void => progress.add(bytes);
      const plan = await importBundle(bundle, dryRun, { ...deps, digester, signal, onBytes });
      const result: ImportResult = {
        ...summaryOf(bundle),
        imported: plan.toKeep.length,
        storedFiles: plan.toStore.length,
        storedBytes: plan.toStore.reduce((sum, { size }) => sum + size, 0),
        dryRun,
      };
      if (dryRun) return result;
      progress.tell();
      log.info({ path, ...result }, 'bundle imported');
      await deps.onImported();
      return result;
    } finally {
      await digester.close();
      await bundle.volumes.close();
    }
  }

  return {
    async run(input, { signal, onEvent }) {
      // One at a time: two could bring the same files.
      if (isRunning) throw new MirrorError('Conflict', 'another import is running');
      isRunning = true;
      try {
        return await run(input, signal, onEvent);
      } finally {
        isRunning = false;
      }
    },
  };
}
