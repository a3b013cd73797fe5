/** `export`, `import` and `verify` as a person types them: beside a mirror that runs, without one, and killed on the way. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fieldsOf } from '../integration/ask.ts';
import { openBundleSiteAt } from '../support/bundle-site.ts';
import { makeCacheDir } from '../support/cache-dir.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { runEntry, startServing, type MirrorProcess } from './mirror-process.ts';

const MIB = 1024 * 1024;
const KILLS = 4;

const parent = makeImage({ name: 'parent', size: 300_000 });
const child = makeImage({ name: 'child', size: 200_000, origin: parent });
const other = makeImage({ name: 'other', size: 100_000 });
const [bigOne, bigTwo] = [
  makeImage({ name: 'big-one', size: 60 * MIB }),
  makeImage({ name: 'big-two', size: 50 * MIB }),
];

/** Begins a command on a cache directory; the upstream named `first` is where its images came from. */
function begin(
  t: TestContext,
  cwd: string,
  args: readonly string[],
  upstream = 'http://images.invalid',
): MirrorProcess {
  return runEntry(t, args, {
    cwd,
    env: {
      IMGAPI_MIRROR_CACHE_DIR: path.join(cwd, 'cache'),
      IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0B',
      IMGAPI_MIRROR_OFFLINE: String(upstream === 'http://images.invalid'),
      IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'first', url: upstream }]),
    },
  });
}

async function type(...args: Parameters<typeof begin>): Promise<Readonly<Record<string, unknown>>> {
  const { ended, out, err } = begin(...args);
  assert.equal(await ended, 0, `${args[2].join(' ')}: ${err()}${out()}`);
  return fieldsOf(JSON.parse(out().trimEnd().split('\n').at(-1) ?? ''));
}

async function uuidsOf(port: number): Promise<string[]> {
  const list: unknown = JSON.parse((await rawRequest({ port, path: '/images', keepBody: true })).body.toString());
  assert.ok(Array.isArray(list));
  return list.map((image: unknown) => String(fieldsOf(image)['uuid'])).toSorted();
}

async function assertServed(port: number, image: TestImage): Promise<void> {
  const answer = await rawRequest({ port, path: `/images/${image.uuid}/file`, hash: true, keepBody: false });
  assert.deepEqual([answer.status, answer.sha1], [200, image.files[0]?.sha1]);
}

test('bundles go through a mirror that runs, or through the directory, with the same bytes', async (t) => {
  await using upstream = await startImageServer({ images: [parent, child, other] });
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  const mirror = await startServing(t, { cwd, dir, upstreams: [`first=${upstream.url}`] });
  for (const image of [parent, child, other]) await assertServed(mirror.port, image);
  await until(async () => (await readdir(path.join(dir, 'manifests'))).length === 3);
  const selectors = ['name=child with-origins', 'name=other'];
  const beside = await type(t, cwd, ['export', ...selectors, '-o', 'beside.bundle', '--json'], upstream.url);
  assert.deepEqual([beside['images'], beside['paths']], [3, [path.join(cwd, 'beside.bundle')]]);
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);
  const without = await type(t, cwd, ['export', ...selectors, '-o', 'without.bundle', '--json'], upstream.url);
  assert.deepEqual([without['id'], without['sha256s']], [beside['id'], beside['sha256s']]);
  assert.ok(readFileSync(path.join(cwd, 'beside.bundle')).equals(await readFile(path.join(cwd, 'without.bundle'))));
  assert.equal((await type(t, cwd, ['verify', 'beside.bundle', '--json']))['images'], 3);

  // A site where nothing runs: it serves them once it is started.
  const [quiet, busy] = [await makeTempDir(t), await makeTempDir(t)];
  const bundle = path.join(cwd, 'beside.bundle');
  assert.equal((await type(t, quiet, ['import', bundle, '--dry-run', '--json']))['storedFiles'], 3);
  assert.equal((await type(t, quiet, ['import', bundle, '--json']))['imported'], 3);
  const started = await startServing(t, {
    cwd: quiet,
    dir: path.join(quiet, 'cache'),
    upstreams: ['first=http://images.invalid'],
    args: ['--offline'],
  });
  for (const image of [parent, child, other]) await assertServed(started.port, image);

  // One where a mirror runs, which had one of them from an upstream that has dropped it since.
  await using theirs = await startImageServer({ images: [other, makeImage({ name: 'theirs', size: 10 })] });
  const running = await startServing(t, {
    cwd: busy,
    dir: path.join(busy, 'cache'),
    upstreams: [`first=${theirs.url}`],
  });
  await assertServed(running.port, other);
  await until(async () => (await readdir(path.join(busy, 'cache', 'manifests'))).length === 1);
  theirs.images.remove(other.uuid);
  await type(t, busy, ['refresh', '--json'], theirs.url);
  assert.ok(!(await uuidsOf(running.port)).includes(other.uuid), 'dropped');
  assert.equal((await type(t, busy, ['import', bundle, '--json'], theirs.url))['storedFiles'], 2);
  const listed = await uuidsOf(running.port);
  for (const image of [parent, child, other]) {
    assert.ok(listed.includes(image.uuid), `${image.uuid} is listed at once`);
    await assertServed(running.port, image);
  }
});

test('an export that is killed with -9 wherever it is, and run again, writes the same bundle', async (t) => {
  const cwd = await makeTempDir(t);
  await makeCacheDir(path.join(cwd, 'cache'));
  const site = await openBundleSiteAt(path.join(cwd, 'cache'));
  await site.add(bigOne, bigTwo);
  const due = await type(t, cwd, ['export', 'cached', '-o', 'due.bundle', '--json']);
  const args = ['export', 'cached', '-o', 'images.bundle', '--json'];
  for (let kill = 0; kill < KILLS; kill += 1) {
    const atBytes = Math.floor(Math.random() * 110 * MIB);
    const killed = begin(t, cwd, args);
    const isOver = await untilOver(killed, () => bytesOf(path.join(cwd, 'images.bundle.part')) >= atBytes);
    killed.child.kill('SIGKILL');
    await killed.ended;
    if (!isOver) assert.equal(bytesOf(path.join(cwd, 'images.bundle')), -1, 'it has its name only when it is whole');
  }
  const again = await type(t, cwd, args);
  assert.deepEqual([again['id'], again['sha256s']], [due['id'], due['sha256s']]);
  assert.equal((await type(t, cwd, ['verify', 'images.bundle', '--json']))['images'], 2);
  assert.ok(!(await readdir(cwd)).includes('images.bundle.part'));
});

test('an import that is killed with -9 wherever it is, and run again, brings every image', async (t) => {
  const depot = await makeTempDir(t);
  await makeCacheDir(path.join(depot, 'cache'));
  await (await openBundleSiteAt(path.join(depot, 'cache'))).add(bigOne, bigTwo);
  await type(t, depot, ['export', 'cached', '-o', 'images.bundle', '--json']);
  const args = ['import', path.join(depot, 'images.bundle'), '--json'];
  const cwd = await makeTempDir(t);
  const partials = path.join(cwd, 'cache', 'partial');
  const staged = [bigOne, bigTwo].map(({ files }) => path.join(partials, `${files[0]!.sha1}.import`));
  for (let kill = 0; kill < KILLS; kill += 1) {
    const atBytes = Math.floor(Math.random() * 110 * MIB);
    const killed = begin(t, cwd, args);
    await untilOver(killed, () => staged.reduce((sum, each) => sum + Math.max(0, bytesOf(each)), 0) >= atBytes);
    killed.child.kill('SIGKILL');
    await killed.ended;
  }
  assert.equal((await type(t, cwd, args))['imported'], 2);
  const site = await openBundleSiteAt(path.join(cwd, 'cache'));
  for (const image of [bigOne, bigTwo]) assert.deepEqual(await site.read(image), [image.files[0]?.sha1]);
  assert.deepEqual(await readdir(partials), []);
});

/** Bytes of a file; -1 if there is none. */
function bytesOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? -1;
}

/** Resolves when `isTime` says so, or when the command has ended: true then. */
async function untilOver({ child: process }: MirrorProcess, isTime: () => boolean): Promise<boolean> {
  await until(() => process.exitCode !== null || isTime(), { deadlineMs: 60_000 });
  return process.exitCode !== null;
}
