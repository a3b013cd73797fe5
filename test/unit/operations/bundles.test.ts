import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { suite, test } from 'node:test';
import type { OperationContext, OperationEvent } from '../../../src/operations/operation.ts';
import { bundlePath, openBundleSite } from '../../support/bundle-site.ts';
import { makeImage } from '../../support/images.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const ORIGIN = makeImage({ name: 'base-64', version: '21.4.0', size: 120_000, icon: true });
const CHILD = makeImage({ name: 'web app', version: 'master/3', size: 90_001, origin: ORIGIN });
/** The bytes of the first under another uuid, and more than one file. */
const TWIN = makeImage({ name: 'twin', seed: 'twin', contentSeed: 'base-64@21.4.0', size: 120_000, files: 2 });

suite('bundles', () => {
  test('carry images with icons from one mirror to another', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    await here.add(ORIGIN, CHILD, TWIN);
    const events: OperationEvent[] = [];
    const written = await here.export({ output: bundlePath(here) }, { onEvent: (event) => events.push(event) });
    assert.equal(written.images, 3);
    assert.deepEqual(events.at(-1), { type: 'progress', doneBytes: written.bytes, totalBytes: written.bytes });

    const verified = await here.verify({ bundle: bundlePath(here) });
    assert.deepEqual(
      { ...verified },
      {
        id: written.id,
        since: null,
        images: 3,
        unchanged: 0,
        files: 5,
        bytes: written.bytes,
        volumes: 1,
        signature: 'none',
      },
    );
    const imported = await there.import({ bundle: bundlePath(here) });
    // One of the files is in two images, and is stored once.
    assert.deepEqual({ stored: imported.storedFiles, images: imported.imported }, { stored: 4, images: 3 });
    for (const image of [ORIGIN, CHILD, TWIN]) {
      assert.deepEqual(
        await there.read(image),
        image.files.map((file) => file.sha1),
      );
      const kept = await there.kept.get(image.uuid);
      assert.equal(kept?.upstream, 'imported');
      assert.equal(JSON.stringify(kept?.manifest), JSON.stringify(image.manifest));
    }
    const icon = (await there.kept.get(ORIGIN.uuid))?.icon;
    assert.equal(icon?.contentType, 'image/png');
    const [file] = ORIGIN.files;
    const facts = await there.blobs.facts(file!.sha1, file!.size);
    assert.deepEqual({ md5: facts?.md5, source: facts?.source }, { md5: file!.md5, source: 'imported' });

    const again = await there.import({ bundle: bundlePath(here) });
    assert.deepEqual({ stored: again.storedFiles, bytes: again.storedBytes }, { stored: 0, bytes: 0 });
    assert.deepEqual(await readdir(join(there.dir, 'partial')), []);
  });

  test('are the same bytes each time, with origins first', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN, CHILD, TWIN);
    await here.export({ output: bundlePath(here, 'one') });
    here.selected = [CHILD, TWIN, ORIGIN];
    await here.export({ output: bundlePath(here, 'two') });
    const one = await readFile(bundlePath(here, 'one'));
    assert(one.equals(await readFile(bundlePath(here, 'two'))));
    const at = (name: string): number => one.indexOf(`${name}.imgmanifest\0`);
    assert(at(`base-64-21.4.0-${ORIGIN.uuid}`) < at(`web-app-master-3-${CHILD.uuid}`));
    assert(at(`base-64-21.4.0-${ORIGIN.uuid}`) > 0);
  });

  test('are read by tar and sha256sum, and give what imgadm install takes', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN, TWIN);
    const { paths } = await here.export({ output: bundlePath(here) });
    const out = await makeTempDir(t);
    const tar = spawnSync('tar', ['xvf', bundlePath(here)], { cwd: out, encoding: 'utf8' });
    assert.deepEqual({ status: tar.status, stderr: tar.stderr }, { status: 0, stderr: '' });
    const names = tar.stdout.trim().split('\n');
    assert.equal(names[0], 'imgapi-mirror-bundle.json');
    const stem = `base-64-21.4.0-${ORIGIN.uuid}`;
    assert(names.includes(`twin-1.0.0-${TWIN.uuid}.file1.zfs.gz`));
    const manifest: unknown = JSON.parse(await readFile(join(out, `${stem}.imgmanifest`), 'utf8'));
    assert.deepEqual(manifest, ORIGIN.manifest);
    assert((await readFile(join(out, `${stem}.zfs.gz`))).equals(ORIGIN.files[0]!.bytes()));
    assert((await readFile(join(out, `${stem}.icon.png`))).equals(ORIGIN.icon!.bytes));
    const sums = spawnSync('sha256sum', ['-c', `${basename(paths[0]!)}.sha256`], { cwd: here.dir, encoding: 'utf8' });
    assert.equal(sums.status, 0, sums.stderr);
  });

  test('name a file by its compression', async (t) => {
    const here = await openBundleSite(t);
    const kinds = { gzip: '.gz', bzip2: '.bz2', xz: '.xz', none: '' };
    for (const compression of Object.keys(kinds)) {
      const image = makeImage({ name: compression, size: 10 });
      const files = [{ sha1: image.files[0]!.sha1, size: 10, compression }];
      await here.add({ ...image, manifest: { ...image.manifest, files } });
    }
    await here.export({ output: bundlePath(here) });
    const listed = spawnSync('tar', ['tf', bundlePath(here)], { encoding: 'utf8' }).stdout;
    for (const [kind, suffix] of Object.entries(kinds)) {
      assert.match(listed, new RegExp(`^${kind}-1\\.0\\.0-[0-9a-f-]{36}\\.zfs${suffix.replace('.', '\\.')}$`, 'm'));
    }
  });

  test('of images that are not cached say so, and name prefetch', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN, CHILD);
    await here.evict(CHILD.files[0]!.sha1);
    await assert.rejects(here.export({ output: bundlePath(here) }), {
      code: 'PreconditionFailedError',
      message: new RegExp(`^not cached, .*${CHILD.uuid} \\(web app master/3\\); .*prefetch`),
    });
    assert(!(await readdir(here.dir)).includes('images.bundle.part'));
  });

  test('never hold rotten bytes', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN);
    const { sha1 } = ORIGIN.files[0]!;
    const blob = join(here.dir, 'blobs', 'sha1', sha1.slice(0, 2), sha1);
    const bytes = await readFile(blob);
    bytes[77]! ^= 1;
    await writeFile(blob, bytes);
    await assert.rejects(here.export({ output: bundlePath(here) }), { code: 'InternalError', message: /scrub/ });
    assert.equal(await sizeOf(bundlePath(here)), undefined);
  });

  test('do not overwrite what is not theirs', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN);
    for (const name of ['images.bundle', 'images.bundle.part']) {
      await writeFile(bundlePath(here, name), 'letters to my grandmother');
      await assert.rejects(here.export({ output: bundlePath(here) }), { code: 'Conflict' });
      assert.equal(await readFile(bundlePath(here, name), 'utf8'), 'letters to my grandmother');
      await rm(bundlePath(here, name));
    }
    const first = await here.export({ output: bundlePath(here) });
    // The same export again finds itself done.
    assert.deepEqual(await here.export({ output: bundlePath(here) }), { ...first, existingBytes: first.bytes });
    await here.add(CHILD);
    await assert.rejects(here.export({ output: bundlePath(here) }), { code: 'Conflict' });
  });

  test('of which some was written are gone on with, once that is checked', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN, CHILD, TWIN);
    const { sha256s, bytes } = await here.export({ output: bundlePath(here, 'whole') });
    const whole = await readFile(bundlePath(here, 'whole'));
    for (const cut of [0, 1, 300, 512, 5_000, 150_000, 200_000, bytes - 700, bytes - 1, bytes]) {
      for (const damage of [undefined, 10, Math.floor(cut / 2), cut - 1]) {
        const part = Buffer.from(whole.subarray(0, cut));
        // Somebody else's file is left alone: see above.
        if (damage !== undefined && (damage < 100 || damage >= cut)) continue;
        if (damage !== undefined) part[damage]! ^= 1;
        const output = bundlePath(here, `part-${cut}-${damage}`);
        await writeFile(`${output}.part`, part);
        const result = await here.export({ output });
        assert.deepEqual(result.sha256s, sha256s, `cut at ${cut}, damaged at ${damage}`);
        assert.equal(result.existingBytes, cut);
        assert((await readFile(output)).equals(whole));
      }
    }
    // What another selection has left is begun anew.
    await writeFile(bundlePath(here, 'other.part'), whole.subarray(0, 250_000));
    here.selected = [CHILD];
    await here.export({ output: bundlePath(here, 'other') });
    assert.equal((await here.verify({ bundle: bundlePath(here, 'other') })).images, 1);
  });

  test('are split into volumes that read like one', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    await here.add(ORIGIN, CHILD, TWIN);
    await here.export({ output: bundlePath(here, 'whole') });
    const whole = await readFile(bundlePath(here, 'whole'));
    const { paths, bytes, sha256s } = await here.export({ output: bundlePath(here), split: 100_000 });
    assert.deepEqual(paths.slice(0, 2), [`${bundlePath(here)}.001`, `${bundlePath(here)}.002`]);
    const parts = await Promise.all(paths.map(async (path) => readFile(path)));
    assert(Buffer.concat(parts).equals(whole));
    assert.deepEqual(
      sha256s,
      parts.map((part) => createHash('sha256').update(part).digest('hex')),
    );
    const sums = spawnSync('sha256sum', ['-c', 'images.bundle.sha256'], { cwd: here.dir, encoding: 'utf8' });
    assert.equal(sums.status, 0, sums.stderr);

    for (const bundle of [paths[0]!, bundlePath(here)]) {
      assert.deepEqual(await here.verify({ bundle }), {
        ...(await here.verify({ bundle })),
        volumes: paths.length,
        bytes,
      });
    }
    await there.import({ bundle: paths[0]! });
    assert.deepEqual(await there.read(CHILD), [CHILD.files[0]!.sha1]);

    await assert.rejects(here.verify({ bundle: paths[1]! }), { code: 'ValidationFailed', message: /first volume/ });
    await assert.rejects(here.export({ output: paths[0]! }), { code: 'ValidationFailed' });
    await rm(paths.at(-1)!);
    await assert.rejects(here.verify({ bundle: paths[0]! }), { code: 'BundleRefused', message: /volume.*missing/ });
    await rm(paths[0]!);
    await assert.rejects(here.verify({ bundle: bundlePath(here) }), { code: 'ValidationFailed', message: /no bundle/ });
  });

  test('of which some volumes were written are gone on with', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN, CHILD, TWIN);
    const { sha256s, paths } = await here.export({ output: bundlePath(here, 'whole'), split: 100_000 });
    for (const [whole, half] of [
      [0, 1],
      [1, 1_000],
      [2, 0],
      [3, 99_999],
    ] as const) {
      const output = bundlePath(here, `volumes-${whole}`);
      for (let at = 0; at <= whole; at += 1) {
        const part = `${output}.${String(at + 1).padStart(3, '0')}.part`;
        await cp(paths[at]!, part);
        if (at === whole) await truncate(part, half);
      }
      const result = await here.export({ output, split: 100_000 });
      assert.deepEqual(result.sha256s, sha256s);
      assert.equal(result.existingBytes, whole * 100_000 + half);
    }
  });

  test('that add to an older one hold only what is new, and need the older one', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    const elsewhere = await openBundleSite(t);
    await here.add(ORIGIN, TWIN);
    const first = await here.export({ output: bundlePath(here, 'first') });
    const renamed = { ...TWIN, manifest: { ...TWIN.manifest, description: 'Another one.' } };
    await here.add(CHILD);
    here.selected = [ORIGIN, renamed, CHILD];
    const second = await here.export({ output: bundlePath(here, 'second'), since: bundlePath(here, 'first') });
    assert.deepEqual(
      { since: second.since, images: second.images, unchanged: second.unchanged },
      { since: first.id, images: 3, unchanged: 1 },
    );
    const listed = spawnSync('tar', ['tf', bundlePath(here, 'second')], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
    assert.deepEqual(listed.slice(1).toSorted(), [
      `twin-1.0.0-${TWIN.uuid}.imgmanifest`,
      `web-app-master-3-${CHILD.uuid}.imgmanifest`,
      `web-app-master-3-${CHILD.uuid}.zfs.gz`,
    ]);
    // A third one knows all that the second listed.
    const third = await here.export({ output: bundlePath(here, 'third'), since: bundlePath(here, 'second') });
    assert.deepEqual({ since: third.since, unchanged: third.unchanged }, { since: second.id, unchanged: 3 });

    await assert.rejects(elsewhere.import({ bundle: bundlePath(here, 'second') }), {
      code: 'PreconditionFailedError',
      message: /import the older one first/,
    });
    assert.equal(await elsewhere.read(CHILD), undefined);
    await there.import({ bundle: bundlePath(here, 'first') });
    const imported = await there.import({ bundle: bundlePath(here, 'second') });
    assert.deepEqual({ images: imported.imported, stored: imported.storedFiles }, { images: 2, stored: 1 });
    assert.equal((await there.kept.get(TWIN.uuid))?.manifest['description'], 'Another one.');
    await here.verify({ bundle: bundlePath(here, 'second') });
  });

  test('that are signed are taken by who trusts the key, and no others are', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    const [mine, other] = [await writeKeys(here.dir, 'mine'), await writeKeys(here.dir, 'other')];
    await here.add(ORIGIN);
    await here.export({ output: bundlePath(here, 'plain') });
    const signed = await here.export({ output: bundlePath(here), sign: mine.secret });
    assert.equal(signed.signed, true);
    const again = await here.export({ output: bundlePath(here, 'again'), sign: mine.secret });
    assert.deepEqual(again.sha256s, signed.sha256s);

    for (const [bundle, reason] of [
      [bundlePath(here, 'plain'), /is not signed, and/],
      [bundlePath(here), /not signed by the key/],
    ] as const) {
      await assert.rejects(there.import({ bundle, trust: other.open }), { code: 'BundleRefused', message: reason });
      await assert.rejects(there.verify({ bundle, trust: other.open }), { code: 'BundleRefused', message: reason });
    }
    assert.equal(await there.read(ORIGIN), undefined);
    assert.equal((await there.verify({ bundle: bundlePath(here) })).signature, 'unchecked');
    assert.equal((await there.import({ bundle: bundlePath(here), trust: mine.open })).signature, 'trusted');

    // OpenSSL alone can check it too, on a host without a mirror.
    const out = await makeTempDir(t);
    assert.equal(spawnSync('tar', ['xf', bundlePath(here)], { cwd: out }).status, 0);
    const args = [
      'pkeyutl',
      '-verify',
      '-pubin',
      '-inkey',
      mine.open,
      '-rawin',
      '-in',
      'imgapi-mirror-bundle.json',
      '-sigfile',
    ];
    const checked = spawnSync('openssl', [...args, 'imgapi-mirror-bundle.sig'], { cwd: out, encoding: 'utf8' });
    if (checked.error !== undefined) t.diagnostic(`openssl was not asked: ${checked.error.message}`);
    else assert.equal(checked.status, 0, checked.stderr);
  });

  test('are not signed or trusted with anything but an Ed25519 key', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN);
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const path = join(here.dir, 'rsa.pem');
    await writeFile(path, rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    for (const sign of [path, join(here.dir, 'none.pem'), here.dir]) {
      await assert.rejects(here.export({ output: bundlePath(here), sign }), {
        code: 'ValidationFailed',
        message: /^sign: /,
      });
    }
    await assert.rejects(here.import({ bundle: bundlePath(here), trust: path }), { message: /^trust: .*Ed25519/ });
  });

  test('are only looked at by a dry run', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    await here.add(ORIGIN, CHILD);
    const planned = await here.export({ output: bundlePath(here), dryRun: true });
    assert.equal(await sizeOf(`${bundlePath(here)}.part`), undefined);
    const written = await here.export({ output: bundlePath(here) });
    assert.deepEqual({ ...planned, sha256s: [], dryRun: false }, { ...written, sha256s: [] });
    const before = await readdir(there.dir, { recursive: true });
    const plan = await there.import({ bundle: bundlePath(here), dryRun: true });
    assert.deepEqual({ stored: plan.storedFiles, dry: plan.dryRun }, { stored: 3, dry: true });
    assert.deepEqual(await readdir(there.dir, { recursive: true }), before);
  });

  test('are not imported without room, and nothing changes then', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t, { maxBytes: 150_000 });
    await here.add(ORIGIN, CHILD);
    await here.export({ output: bundlePath(here) });
    await assert.rejects(there.import({ bundle: bundlePath(here) }), { code: 'StorageFailed', message: /no room/ });
    assert.equal(await there.read(ORIGIN), undefined);
    assert.equal(await there.read(CHILD), undefined);
  });

  test('that contradict what is remembered of an image change nothing', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    await here.add(ORIGIN, CHILD);
    await here.export({ output: bundlePath(here) });
    there.remembered.set(CHILD.uuid, [{ sha1: ORIGIN.files[0]!.sha1, size: 1 }]);
    await assert.rejects(there.import({ bundle: bundlePath(here) }), {
      code: 'Conflict',
      message: new RegExp(CHILD.uuid),
    });
    assert.equal(await there.read(ORIGIN), undefined);
  });

  test('make an image an imported one, whose upstream may have dropped it since', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    await here.add(ORIGIN, CHILD);
    await here.export({ output: bundlePath(here) });
    const icon = { sha1: ORIGIN.files[0]!.sha1, size: 5, contentType: 'image/png' } as const;
    for (const { manifest } of [ORIGIN, CHILD]) {
      await there.kept.put({ upstream: 'second', fetchedAt: '2026-01-01T00:00:00.000Z', manifest, icon });
    }
    await there.import({ bundle: bundlePath(here) });
    const [origin, child] = [await there.kept.get(ORIGIN.uuid), await there.kept.get(CHILD.uuid)];
    assert.deepEqual([origin?.upstream, child?.upstream], ['imported', 'imported']);
    assert.notEqual(origin?.icon?.sha1, icon.sha1, 'the bundle’s own');
    assert.deepEqual(child?.icon, icon, 'the bundle has none');
  });

  test('that were imported in part are gone on with, and what is there already is checked', async (t) => {
    const here = await openBundleSite(t);
    await here.add(ORIGIN, CHILD);
    await here.export({ output: bundlePath(here) });
    const bytes = ORIGIN.files[0]!.bytes();
    const wrong = Buffer.from(bytes);
    wrong[1000]! ^= 1;
    const tooLong = Buffer.concat([bytes, bytes]);
    for (const left of [
      bytes.subarray(0, 0),
      bytes.subarray(0, 70_000),
      bytes,
      wrong,
      wrong.subarray(0, 5_000),
      tooLong,
    ]) {
      const there = await openBundleSite(t);
      await mkdir(join(there.dir, 'partial'));
      await writeFile(join(there.dir, 'partial', `${ORIGIN.files[0]!.sha1}.import`), left);
      await there.import({ bundle: bundlePath(here) });
      assert.deepEqual(await there.read(ORIGIN), [ORIGIN.files[0]!.sha1]);
      assert.deepEqual(await readdir(join(there.dir, 'partial')), []);
    }
  });

  test('that are interrupted stay unseen, on both sides, and go on', async (t) => {
    const here = await openBundleSite(t);
    const there = await openBundleSite(t);
    const big = makeImage({ name: 'big', size: 9_000_000 });
    await here.add(ORIGIN, big);
    await assert.rejects(here.export({ output: bundlePath(here) }, stop()), /enough/);
    assert.equal(await sizeOf(bundlePath(here)), undefined);
    await here.export({ output: bundlePath(here) });
    await assert.rejects(there.import({ bundle: bundlePath(here) }, stop()), /enough/);
    assert.deepEqual([await there.read(ORIGIN), await there.read(big)], [undefined, undefined]);
    assert.deepEqual(await readdir(join(there.dir, 'blobs'), { recursive: true }).catch(() => []), []);
    await there.import({ bundle: bundlePath(here) });
    assert.deepEqual(await there.read(big), [big.files[0]!.sha1]);
    assert.deepEqual(await readdir(join(there.dir, 'partial')), []);
  });
});

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}

async function writeKeys(dir: string, name: string): Promise<{ readonly secret: string; readonly open: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const [secret, open] = [join(dir, `${name}.key`), join(dir, `${name}.pub`)];
  await writeFile(secret, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await writeFile(open, publicKey.export({ type: 'spki', format: 'pem' }));
  return { secret, open };
}

/** Enough after the first sign of progress. */
function stop(): Pick<OperationContext, 'signal' | 'onEvent'> {
  const abort = new AbortController();
  return { signal: abort.signal, onEvent: () => abort.abort(new Error('enough')) };
}
