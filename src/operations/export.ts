/** `export`: writes images to a bundle, to be carried to where there is no network. */
import type { KeyObject } from 'node:crypto';
import type { BlobStore } from '../blobs/store.ts';
import { entriesOf } from '../bundle/bundle-index.ts';
import { layoutOf } from '../bundle/bundle-layout.ts';
import { INDEX_NAME, SIGNATURE_NAME } from '../bundle/entry-names.ts';
import { openOutput } from '../bundle/output-files.ts';
import { planExport, type ExportImage, type ExportPlan } from '../bundle/plan-export.ts';
import { readBundleIndex } from '../bundle/read-bundle.ts';
import { readSigningKey, signIndex } from '../bundle/signing.ts';
import { createSpanDigester } from '../bundle/span-digester.ts';
import { writeBundle, type BundleContents } from '../bundle/write-bundle.ts';
import { MirrorError } from '../imgapi/errors.ts';
import { manifestText, type Manifest } from '../imgapi/manifest.ts';
import type { KeptManifests } from '../records/kept-manifests.ts';
import { createBundleProgress } from './bundle-progress.ts';
import type { Operation } from './operation.ts';

/** Paths are absolute, on the mirror's machine. */
export interface ExportInput {
  readonly selectors: readonly string[];
  readonly output: string;
  /** An older bundle, whole or its first volume; only its index is read. */
  readonly since?: string;
  /** Most bytes of a volume; without it there is one file. */
  readonly split?: number;
  /** An Ed25519 private key in PEM. */
  readonly sign?: string;
  readonly dryRun?: boolean;
}

export interface ExportResult {
  /** The bundle's files, in order; beside the first lies, or in place of its number stands, `.sha256`. */
  readonly paths: readonly string[];
  /** SHA-256 of each of them; empty for a dry run. */
  readonly sha256s: readonly string[];
  /** SHA-256 of the index: the bundle's name, which a bundle that adds to it gives as `since`. */
  readonly id: string;
  readonly since: string | null;
  /** Selected; those that `since` has just so are counted, and not in the bundle. */
  readonly images: number;
  readonly unchanged: number;
  /** Bytes of the bundle, and of those the ones that an interrupted export had left. */
  readonly bytes: number;
  readonly existingBytes: number;
  readonly signed: boolean;
  readonly dryRun: boolean;
  readonly warnings: readonly string[];
}

export interface ExportDeps {
  /** Selects images; @throws where there are none. */
  readonly selection: {
    some(selectors: readonly string[]): Promise<{
      readonly images: readonly { readonly manifest: Manifest; readonly upstream: string }[];
      readonly warnings: readonly string[];
    }>;
  };
  readonly blobs: Pick<BlobStore, 'open' | 'facts'>;
  readonly kept: Pick<KeptManifests, 'get'>;
  /** ms, from any origin, never going back. */
  readonly monotonicNow: () => number;
}

export function createExport(deps: ExportDeps): Operation<ExportInput, ExportResult> {
  const { selection, blobs, kept, monotonicNow } = deps;
  /** Two exports must not write one file. */
  const running = new Set<string>();

  async function imagesFor(selectors: readonly string[]): Promise<{
    readonly images: readonly ExportImage[];
    readonly warnings: readonly string[];
  }> {
    const { images: selected, warnings } = await selection.some(selectors);
    const images: ExportImage[] = [];
    for (const { manifest, upstream } of selected) {
      const { uuid, origin, files, json } = manifest;
      const icon = (await kept.get(uuid))?.icon;
      images.push({ uuid, upstream, manifest: json, manifestText: manifestText(manifest, 2), origin, files, icon });
    }
    return { images, warnings };
  }

  return {
    async run(input, { signal, onEvent }) {
      const { output, since, split, dryRun = false } = input;
      const key = input.sign === undefined ? undefined : await readSigningKey(input.sign);
      const older = since === undefined ? undefined : await readBundleIndex(since, 'since');
      const { images, warnings } = await imagesFor(input.selectors);
      const plan = await planExport(blobs, images, older);
      const contents = contentsOf(plan, key);
      const { totalBytes: bytes } = contents.layout;
      if (running.has(output)) throw new MirrorError('Conflict', `another export is writing ${output}`);
      running.add(output);
      const files = await openOutput(output, bytes, split).catch((error: unknown) => {
        running.delete(output);
        throw error;
      });
      const digester = createSpanDigester();
      try {
        const progress = createBundleProgress({ monotonicNow, onEvent }, bytes);
        let sha256s: readonly string[] = [];
        if (!dryRun) {
          const onDone = (done: number): void => progress.set(done);
          sha256s = await writeBundle(files, contents, { blobs, digester, signal, onDone });
          await files.finish(sha256s);
          progress.tell();
        }
        return {
          paths: files.paths,
          sha256s,
          id: plan.id,
          since: plan.index.since,
          images: plan.index.images.length,
          unchanged: plan.index.images.filter((image) => entriesOf(image).length === 0).length,
          bytes,
          existingBytes: files.existingBytes,
          signed: key !== undefined,
          dryRun,
          warnings,
        };
      } finally {
        await digester.close();
        await files.close();
        running.delete(output);
      }
    },
  };
}

function contentsOf({ index, indexBytes, manifests }: ExportPlan, key: KeyObject | undefined): BundleContents {
  const texts = new Map([[INDEX_NAME, indexBytes], ...manifests]);
  if (key !== undefined) texts.set(SIGNATURE_NAME, signIndex(key, indexBytes));
  return { layout: layoutOf(index, indexBytes.length, key !== undefined), texts };
}
