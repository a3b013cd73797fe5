/** Exports and imports that are broken off wherever they happen to be, and blobs that go away under an export. */
import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import type { Sha1Hex } from '../../../src/imgapi/ids.ts';
import { parseManifest } from '../../../src/imgapi/manifest.ts';
import { createExport, type ExportResult } from '../../../src/operations/export.ts';
import { bundlePath, openBundleSite, type BundleSite } from '../../support/bundle-site.ts';
import { makeImage } from '../../support/images.ts';

const MIB = 1024 * 1024;
const IMAGES = [20, 1, 17].map((size, at) => makeImage({ name: `image-${at}`, size: size * MIB + at }));
const [FIRST, , LAST] = IMAGES.toSorted((a, b) => (a.uuid < b.uuid ? -1 : 1));
const SHA1S = IMAGES.map(({ files }) => files.map(({ sha1 }) => sha1));

/** Aborts between 0 and 150 ms from now. */
function soon(): AbortSignal {
  const abort = new AbortController();
  setTimeout(() => abort.abort(new Error('enough')), Math.random() * 150);
  return abort.signal;
}

suite('interrupted bundles', () => {
  test('an export that is broken off again and again ends with the same bytes', async (t) => {
    const here = await openBundleSite(t);
    await here.add(...IMAGES);
    const due = await here.export({ output: bundlePath(here, 'due') });
    for (let round = 0; round < 3; round += 1) {
      const output = bundlePath(here, `round-${round}`);
      for (let tries = 0; tries < 3; tries += 1) {
        await here.export({ output }, { signal: soon() }).catch((error: unknown) => {
          assert.match(String(error), /enough/);
        });
      }
      assert.deepEqual((await here.export({ output })).sha256s, due.sha256s);
    }
    assert.ok((await readFile(bundlePath(here, 'due'))).equals(await readFile(bundlePath(here, 'round-0'))));
  });

  test('an import that is broken off shows nothing, and another one ends it', async (t) => {
    const here = await openBundleSite(t);
    await here.add(...IMAGES);
    await here.export({ output: bundlePath(here) });
    for (let round = 0; round < 3; round += 1) {
      const there = await openBundleSite(t);
      for (let tries = 0; tries < 3; tries += 1) {
        const isDone = await there.import({ bundle: bundlePath(here) }, { signal: soon() }).then(
          () => true,
          (error: unknown) => {
            assert.match(String(error), /enough/);
            return false;
          },
        );
        if (isDone) break;
        for (const image of IMAGES) assert.equal(await there.read(image), undefined);
      }
      await there.import({ bundle: bundlePath(here) });
      for (const [at, image] of IMAGES.entries()) assert.deepEqual(await there.read(image), SHA1S[at]);
      assert.deepEqual(await readdir(join(there.dir, 'partial')), []);
    }
  });

  test('a blob that is evicted before its turn is named, and the export goes on once it is back', async (t) => {
    const here = await openBundleSite(t);
    await here.add(...IMAGES);
    const due = await here.export({ output: bundlePath(here, 'due') });
    const evictLast = async (): Promise<void> => here.evict(LAST!.files[0]!.sha1);
    await assert.rejects(exportFrom(here, evictLast), {
      code: 'ServiceUnavailableError',
      message: new RegExp(`${LAST!.uuid}.* is not cached any more: prefetch it`),
    });
    await here.add(LAST!);
    here.selected = IMAGES;
    const again = await here.export({ output: bundlePath(here) });
    assert.deepEqual(again.sha256s, due.sha256s);
    assert.ok(again.existingBytes > FIRST!.files[0]!.size);
  });

  test('a blob that is to be evicted, or is taken away, while it is copied is copied to its end', async (t) => {
    const here = await openBundleSite(t);
    await here.add(...IMAGES);
    const due = await here.export({ output: bundlePath(here, 'due') });
    const written = await exportFrom(here, async (sha1) => {
      await here.evict(sha1);
      await rm(join(here.dir, 'blobs', 'sha1', sha1.slice(0, 2), sha1), { force: true });
    });
    assert.deepEqual(written.sha256s, due.sha256s);
    for (const { files } of IMAGES) assert.equal(await here.blobs.facts(files[0]!.sha1, files[0]!.size), undefined);
  });
});

/** An export of all images; `onOpened` is told of each blob before it is copied. */
async function exportFrom(site: BundleSite, onOpened: (sha1: Sha1Hex) => Promise<void>): Promise<ExportResult> {
  const images = IMAGES.map((image) => {
    const parsed = parseManifest(image.manifest);
    assert.ok(parsed.ok);
    return { manifest: parsed.manifest, upstream: 'first' };
  });
  const exporting = createExport({
    selection: { some: async () => ({ images, warnings: [] }) },
    blobs: {
      facts: async (sha1, size) => site.blobs.facts(sha1, size),
      async open(sha1, size) {
        const blob = await site.blobs.open(sha1, size);
        await onOpened(sha1);
        return blob;
      },
    },
    kept: site.kept,
    monotonicNow: () => performance.now(),
  });
  const context = { signal: new AbortController().signal, onEvent() {} };
  return exporting.run({ selectors: ['cached'], output: bundlePath(site) }, context);
}
