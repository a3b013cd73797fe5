/** What goes into a bundle comes out of it, whatever interrupts; and what was changed on the way never comes out. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { bundlePath, openBundleSite, openBundleSiteAt } from '../support/bundle-site.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';

const RUNS = { numRuns: 12 };

const sizes = fc.oneof(fc.constantFrom(0, 1, 511, 512, 513, 1024), fc.nat(60_000));
const sets = fc
  .uniqueArray(
    fc.record({ seed: fc.nat(1_000), size: sizes, contentSeed: fc.nat(3), files: fc.nat(2), icon: fc.boolean() }),
    {
      selector: ({ seed }) => seed,
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((all) => all.map((one) => makeImage({ name: `image-${one.seed}`, ...one })));

async function assertHas(
  site: Awaited<ReturnType<typeof openBundleSiteAt>>,
  images: readonly TestImage[],
): Promise<void> {
  for (const image of images) {
    const due = image.files.filter(({ size }) => size > 0).map(({ sha1 }) => sha1);
    assert.deepEqual(await site.read(image), due);
  }
}

suite('bundles', () => {
  test('any set of images, split anywhere and interrupted anywhere, comes out as it went in', async (t) => {
    const root = await makeTempDir(t);
    await fc.assert(
      fc.asyncProperty(
        sets,
        fc.option(fc.integer({ min: 1_000, max: 90_000 })),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (images, split, cut) => {
          const here = await openBundleSiteAt(join(root, randomUUID()));
          const there = await openBundleSiteAt(join(root, randomUUID()));
          await here.add(...images);
          const options = split === null ? {} : { split };
          const whole = await here.export({ output: bundlePath(here, 'whole'), ...options });
          // What an interrupted export would have left.
          let left = Math.floor(whole.bytes * cut);
          for (const path of whole.paths) {
            const bytes = await readFile(path);
            const part = path.replace('whole', 'resumed');
            if (left > 0) await writeFile(`${part}.part`, bytes.subarray(0, left));
            left -= bytes.length;
          }
          const resumed = await here.export({ output: bundlePath(here, 'resumed'), ...options });
          assert.deepEqual(resumed.sha256s, whole.sha256s);
          await there.import({ bundle: resumed.paths[0]! });
          await assertHas(there, images);
          await rm(here.dir, { recursive: true });
          await rm(there.dir, { recursive: true });
        },
      ),
      RUNS,
    );
  });

  test('no changed byte, no missing and no surplus one is ever imported', async (t) => {
    const root = await makeTempDir(t);
    const here = await openBundleSiteAt(join(root, 'here'));
    const images = [makeImage({ name: 'a', size: 2_000, icon: true }), makeImage({ name: 'b', size: 700, files: 2 })];
    await here.add(...images);
    await here.export({ output: bundlePath(here) });
    const whole = await readFile(bundlePath(here));
    const there = await openBundleSite(t);
    const bundle = join(root, 'changed');
    const damage = fc.oneof(
      fc.record({ at: fc.nat(whole.length - 1), bit: fc.nat(7) }).map(({ at, bit }) => {
        const bytes = Buffer.from(whole);
        bytes[at]! ^= 1 << bit;
        return bytes;
      }),
      fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
      fc.integer({ min: 1, max: 2_000 }).map((length) => Buffer.concat([whole, Buffer.alloc(length)])),
    );
    await fc.assert(
      fc.asyncProperty(damage, async (bytes) => {
        await writeFile(bundle, bytes);
        await assert.rejects(there.import({ bundle }), { code: 'BundleRefused' });
        for (const image of images) assert.equal(await there.read(image), undefined);
      }),
      { numRuns: 60 },
    );
    await there.import({ bundle: bundlePath(here) });
    await assertHas(there, images);
  });
});
