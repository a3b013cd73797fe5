/** A cache directory with images, and the verbs of bundles on it: what both ends of an air gap have. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createSpaceKeeper } from '../../src/blobs/reservation.ts';
import { createBlobStore, type BlobFacts, type DiskBlobStore } from '../../src/blobs/store.ts';
import { usedWithout } from '../../src/blobs/upkeep.ts';
import { iconTypeOf } from '../../src/imgapi/icon-type.ts';
import { isSha1Hex, type ImageUuid, type Sha1Hex } from '../../src/imgapi/ids.ts';
import type { ImageFile, Manifest } from '../../src/imgapi/manifest.ts';
import { parseManifest } from '../../src/imgapi/manifest.ts';
import { createExport, type ExportInput, type ExportResult } from '../../src/operations/export.ts';
import { createImport, type ImportInput, type ImportResult } from '../../src/operations/import.ts';
import type { OperationContext } from '../../src/operations/operation.ts';
import { createVerify, type VerifyInput, type VerifyResult } from '../../src/operations/verify.ts';
import { createKeptManifests, type KeptManifests } from '../../src/records/kept-manifests.ts';
import { createCaptureLog } from './capture-log.ts';
import { makeTempDir } from './temp-dir.ts';
import type { TestImage } from './image.ts';

export interface BundleSite {
  readonly dir: string;
  readonly blobs: DiskBlobStore;
  readonly kept: KeptManifests;
  /** What is remembered of images, beside what is kept. */
  readonly remembered: Map<ImageUuid, readonly ImageFile[]>;
  /** Stores the images' files and icons and keeps their manifests, as from an upstream. */
  add(...images: readonly TestImage[]): Promise<void>;
  /** Takes a blob away, as eviction does. */
  evict(sha1: Sha1Hex): Promise<void>;
  /** Selects all that was added, unless `selected` is set. */
  selected: readonly TestImage[] | undefined;
  export(input: Omit<ExportInput, 'selectors'>, context?: Partial<OperationContext>): Promise<ExportResult>;
  import(input: ImportInput, context?: Partial<OperationContext>): Promise<ImportResult>;
  verify(input: VerifyInput, context?: Partial<OperationContext>): Promise<VerifyResult>;
  /** The SHA-1 of each file's bytes as they are stored; undefined where one is not, or the image is not kept. */
  read(image: TestImage): Promise<readonly string[] | undefined>;
}

export interface BundleSiteOptions {
  readonly maxBytes?: number | null;
}

export async function openBundleSite(t: TestContext, options: BundleSiteOptions = {}): Promise<BundleSite> {
  return openBundleSiteAt(await makeTempDir(t), options);
}

export async function openBundleSiteAt(dir: string, options: BundleSiteOptions = {}): Promise<BundleSite> {
  const log = createCaptureLog();
  await mkdir(dir, { recursive: true });
  const blobs = createBlobStore({ log }, { dir });
  const kept = createKeptManifests({ log }, { dir });
  const space = createSpaceKeeper(
    { usedBytes: async (besides) => usedWithout(await blobs.upkeep.use(), besides) },
    { dir, maxBytes: options.maxBytes ?? null, minFreeBytes: 0 },
  );
  const remembered = new Map<ImageUuid, readonly ImageFile[]>();
  const added: TestImage[] = [];
  const selection = {
    some: async () => ({
      images: (site.selected ?? added).map(({ manifest }) => ({ manifest: parsed(manifest), upstream: 'first' })),
      warnings: [],
    }),
  };
  const exporting = createExport({ selection, blobs, kept, monotonicNow });
  const importing = createImport({
    blobs,
    kept,
    space,
    remembered: (uuid) => remembered.get(uuid),
    onImported: async () => undefined,
    log,
    now: () => Date.parse('2026-11-01T10:00:00Z'),
    monotonicNow,
  });
  const verifying = createVerify({ monotonicNow });
  const site: BundleSite = {
    dir,
    blobs,
    kept,
    remembered,
    selected: undefined,
    async add(...images) {
      for (const { manifest, files, icon } of images) {
        for (const file of files) await putBlob(blobs, file.bytes());
        const facts = icon === undefined ? undefined : await putBlob(blobs, icon.bytes);
        const iconOf =
          facts === undefined || icon === undefined
            ? {}
            : { icon: { sha1: facts.sha1, size: facts.size, contentType: iconTypeOf(icon.contentType) } };
        await kept.put({ upstream: 'first', fetchedAt: '2026-10-01T10:00:00.000Z', manifest, ...iconOf });
      }
      added.push(...images);
    },
    async evict(sha1) {
      await blobs.upkeep.remove(sha1);
    },
    export: async (input, context) => exporting.run({ selectors: ['cached'], ...input }, contextOf(context)),
    import: async (input, context) => importing.run(input, contextOf(context)),
    verify: async (input, context) => verifying.run(input, contextOf(context)),
    async read(image) {
      if ((await kept.get(image.uuid)) === undefined) return undefined;
      const found: string[] = [];
      for (const { sha1, size } of image.files) {
        if (size === 0) continue;
        const blob = await blobs.open(sha1, size);
        if (blob === undefined) return undefined;
        found.push(
          createHash('sha1')
            .update(await blob.handle.readFile())
            .digest('hex'),
        );
        await blob.handle.close();
      }
      return found;
    },
  };
  return site;
}

export async function putBlob(blobs: DiskBlobStore, bytes: Buffer): Promise<BlobFacts> {
  const facts = factsOf(bytes);
  if (bytes.length === 0 || (await blobs.facts(facts.sha1, facts.size)) !== undefined) return facts;
  const partial = await blobs.createPartial(facts.sha1);
  await partial.handle.writeFile(bytes);
  await partial.commit(facts);
  await partial.handle.close();
  return facts;
}

function factsOf(bytes: Buffer): BlobFacts {
  const sha1 = createHash('sha1').update(bytes).digest('hex');
  assert(isSha1Hex(sha1));
  const hex = (algorithm: string): string => createHash(algorithm).update(bytes).digest('hex');
  return {
    sha1,
    size: bytes.length,
    md5: createHash('md5').update(bytes).digest('base64'),
    sha256: hex('sha256'),
    source: 'first',
    arrivedAt: '2026-10-01T10:00:00.000Z',
  };
}

function parsed(json: Readonly<Record<string, unknown>>): Manifest {
  const result = parseManifest(json);
  if (!result.ok) throw new TypeError(result.problem);
  return result.manifest;
}

function contextOf(context: Partial<OperationContext> = {}): OperationContext {
  return { signal: new AbortController().signal, onEvent() {}, ...context };
}

function monotonicNow(): number {
  return performance.now();
}

/** The path of a bundle in the site's directory. */
export function bundlePath(site: BundleSite, name = 'images.bundle'): string {
  return join(site.dir, name);
}
