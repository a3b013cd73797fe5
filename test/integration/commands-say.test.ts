/** What commands print for people, on a directory that no mirror runs on. Their exit codes are in exit-codes.test.ts. */
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Output } from '../../src/cli/io.ts';
import { runCli } from '../../src/cli/run.ts';
import { makeCacheDir } from '../support/cache-dir.ts';
import { startImageServer, type ImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { fakeIo } from '../unit/cli/fake-io.ts';

interface Typed {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

interface Place {
  readonly cwd: string;
  readonly upstream: ImageServer;
  readonly type: (...args: readonly string[]) => Promise<Typed>;
  /** The same on a terminal of 100 columns. */
  readonly typeOnTerminal: (...args: readonly string[]) => Promise<Typed>;
}

async function place(t: TestContext, images: readonly TestImage[]): Promise<Place> {
  const upstream = await startImageServer({ images: [...images] });
  t.after(async () => upstream.close());
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  await makeCacheDir(dir);
  const env = {
    IMGAPI_MIRROR_CACHE_DIR: dir,
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'up', url: upstream.url, proxy: 'none' }]),
  };
  const run = async (args: readonly string[], screen: Partial<Output>): Promise<Typed> => {
    const fake = fakeIo(args, { cwd, env });
    const stdout = { ...fake.io.stdout, ...screen };
    return { code: await runCli({ ...fake.io, stdout }), out: fake.out(), err: fake.err() };
  };
  return {
    cwd,
    upstream,
    type: async (...args) => run(args, {}),
    typeOnTerminal: async (...args) => run(args, { isTerminal: true, columns: 100 }),
  };
}

test('a conflict is found by its word, shown and accepted by the beginning of the uuid, and its old file stays', async (t) => {
  const parent = makeImage({ name: 'parent', size: 3_000 });
  const child = makeImage({ name: 'child', version: '2', size: 2_000, origin: parent });
  const { upstream, type } = await place(t, [parent, child]);
  assert.equal((await type('prefetch', 'name=*')).code, 0);
  upstream.images.add(makeImage({ name: 'parent', uuid: parent.uuid, size: 3_001 }));
  await type('refresh');

  const listed = await type('list', 'conflict');
  assert.match(listed.out, new RegExp(`^${parent.uuid} .* cached,conflict$`, 'm'));
  assert.doesNotMatch(listed.out, new RegExp(child.uuid));
  const start = parent.uuid.slice(0, 8);
  const shown = await type('show', start.toUpperCase());
  assert.equal(shown.code, 0, shown.err);
  assert.match(
    shown.out,
    new RegExp(`^remembered +${parent.files[0]?.sha1}, 2.9KiB \\(3000 bytes\\), as up said first, `, 'm'),
  );
  assert.match(shown.out, /^contradicted +[0-9a-f]{40}, 2.9KiB \(3001 bytes\), as up says since /m);
  assert.match(shown.out, /^upstreams +none has it as it is remembered$/m);
  assert.match(shown.out, new RegExp(`^rests on it +${child.uuid} child 2 \\(cached\\)$`, 'm'));

  const accepted = await type('accept', start);
  assert.equal(accepted.code, 0, accepted.err);
  const taken =
    /: [0-9a-f]{40}, .*3001 bytes.*, as up says, in place of [0-9a-f]{40}, .*3000 bytes.*, as up said first$/m;
  assert.match(accepted.out, new RegExp(`^accepted ${parent.uuid}: `));
  assert.match(accepted.out, taken);
  assert.equal((await type('list', 'conflict')).out, '');
  assert.match((await type('status')).out, /2 files stored/, 'the old file waits for its turn');
  assert.equal((await type('accept', start)).code, 1);
});

test('what an image in conflict has here can be evicted before the change is taken', async (t) => {
  const image = makeImage({ name: 'one', size: 3_000 });
  const { upstream, type } = await place(t, [image]);
  await type('prefetch', 'name=one');
  upstream.images.add(makeImage({ name: 'one', uuid: image.uuid, size: 3_001 }));
  await type('refresh');
  await type('evict', image.uuid.slice(0, 8), '--yes');
  assert.match((await type('status')).out, /0 files stored/);
  assert.equal((await type('accept', image.uuid)).code, 0);
});

test('an image that no list has any more is found by its word', async (t) => {
  const [old, other] = [makeImage({ name: 'old' }), makeImage({ name: 'other' })];
  const { upstream, type } = await place(t, [old, other]);
  await type('prefetch', 'name=*');
  upstream.images.remove(old.uuid);
  await type('refresh', '--accept');
  const { out } = await type('list', 'cached unlisted');
  assert.match(out, new RegExp(`^${old.uuid} .* cached,unlisted$`, 'm'));
  assert.doesNotMatch(out, new RegExp(other.uuid));
});

test('show says what the manifest says, in lines that nothing in it can break', async (t) => {
  const image = makeImage({ name: 'base' });
  Object.assign(image.manifest, {
    description: 'A base\nimage.  \u001b[31mRed.',
    homepage: 'https://example.com/base',
    tags: { role: 'os', 'docker:id': 'x y', cores: 2 },
    requirements: { min_ram: 512, networks: [{ name: 'net0' }] },
  });
  const { type } = await place(t, [image]);
  const { out } = await type('show', image.uuid);
  const lines = new Map(out.split('\n').map((line) => [line.replace(/ {2,}.*/, ''), line.replace(/^.*? {2,}/, '')]));
  assert.equal(lines.get('about'), String.raw`A base image. \u001b[31mRed.`);
  assert.equal(lines.get('homepage'), 'https://example.com/base');
  assert.equal(lines.get('owner'), image.manifest['owner']);
  assert.equal(lines.get('state'), 'active');
  assert.equal(lines.get('tags'), 'role=os, docker:id="x y", cores=2');
  assert.equal(lines.get('needs'), 'min_ram=512, networks=[{"name":"net0"}]');
  assert.equal(lines.has('channels'), false, 'what it does not say has no line');
  assert.equal(lines.get('upstreams'), 'up');
});

test('a prefetch says at its end which images nobody can import, and is not well', async (t) => {
  const nowhere = makeImage({ name: 'nowhere' });
  const child = makeImage({ name: 'child', version: '2', origin: nowhere });
  const { type } = await place(t, [child, makeImage({ name: 'other' })]);
  for (const [last, ...args] of [
    [/, 0 there already, 1 cannot be imported for want of an origin$/, 'name=child with-origins'],
    [/to fetch .*1 cannot be imported for want of an origin$/, 'name=child with-origins', '--dry-run'],
  ] as const) {
    const { code, out, err } = await type('prefetch', ...args);
    assert.equal(code, 1);
    assert.match(out.trimEnd(), last);
    assert.match(
      err,
      new RegExp(`^warning: origin ${nowhere.uuid} is not to be had .* nobody can import child 2`, 'm'),
    );
  }
  const plain = await type('prefetch', 'name=child');
  assert.equal(plain.code, 0);
  assert.match(plain.err, /^warning: no list that is known has the origin of 1 image: child 2 /m);
  assert.doesNotMatch((await type('prefetch', 'name=other')).err, /warning/);
});

function namesOf({ out }: Typed): string[] {
  return out.match(/of-\d+/g) ?? [];
}

test('list sorts and limits, and says how many it leaves out', async (t) => {
  const sizes = [200, 300, 100];
  const { type } = await place(
    t,
    sizes.map((size) => makeImage({ name: `of-${size}`, size })),
  );
  assert.deepEqual(namesOf(await type('list', '--sort', 'size')), ['of-100', 'of-200', 'of-300']);
  const two = await type('list', '--sort', '-size', '--limit', '2');
  assert.deepEqual(namesOf(two), ['of-300', 'of-200']);
  assert.equal(two.err, '2 of 3 images\n');
  const three = await type('list', '--limit', '3', '--json');
  assert.deepEqual([three.err, three.out.trimEnd().split('\n').length], ['', 4]);
  for (const wrong of [
    ['--sort', 'nmae'],
    ['--limit', '0'],
    ['--limit', 'x'],
    ['--limit', '1.5'],
    ['--limit', '1e2'],
    ['--limit', '0x2'],
  ]) {
    const { code, err } = await type('list', ...wrong);
    assert.equal(code, 2, err);
    assert.match(err, /would do/);
  }
});

test('a very long name costs the other lines nothing, and is whole where nobody looks at a terminal', async (t) => {
  const name = 'n'.repeat(220);
  const { type, typeOnTerminal } = await place(t, [makeImage({ name }), makeImage({ name: 'short' })]);
  const piped = await type('list');
  assert.ok(piped.out.includes(` ${name} `));
  const [title = '', ...rows] = piped.out.trimEnd().split('\n');
  assert.ok([title, ...rows.filter((row) => row.includes('short'))].every(({ length }) => length < 150));
  const { out } = await typeOnTerminal('list');
  assert.match(out, / n+~ /);
  // Two lines of the terminal: the other columns do not leave a name its least in one.
  assert.ok(out.split('\n').every(({ length }) => length <= 200));
});

test('a list that is held back is told of with the command that takes it', async (t) => {
  const images = [1, 2, 3, 4].map((n) => makeImage({ name: `i${n}` }));
  const { upstream, type } = await place(t, images);
  const advice = /^to take what is held back as it is: imgapi-mirror refresh --accept$/m;
  assert.doesNotMatch((await type('refresh')).out, advice);
  for (const { uuid } of images.slice(1)) upstream.images.remove(uuid);
  const held = await type('refresh');
  assert.equal(held.code, 1);
  assert.match(held.out, advice);
  const taken = await type('refresh', '--accept');
  assert.equal(taken.code, 0, taken.out);
  assert.doesNotMatch(taken.out, advice);
});

test('neither a dry run nor a bundle that is not there leaves a cache directory behind', async (t) => {
  const { type, cwd } = await place(t, [makeImage({ name: 'one' })]);
  const dry = await type('prefetch', 'name=one', '--dry-run', '--cache-dir', 'new/below');
  assert.deepEqual([dry.code, dry.err], [0, '']);
  assert.match(dry.out, /^would fetch .* one /m);
  for (const more of [[], ['--dry-run']]) {
    const none = await type('import', 'no-such.bundle', '--cache-dir', 'new', ...more);
    assert.deepEqual([none.code, none.out], [2, '']);
    assert.match(none.err, /no-such\.bundle/);
  }
  assert.deepEqual(await readdir(cwd), ['cache']);
});

test('where there is nothing to evict nothing is advised', async (t) => {
  const { type } = await place(t, [makeImage({ name: 'one' }), makeImage({ name: 'two' })]);
  assert.equal((await type('evict', 'name=*')).out, 'nothing is stored of 2 images\nnothing to evict\n');
  assert.equal((await type('evict', 'name=nothing', '--yes')).out, 'nothing to evict\n');
  await type('prefetch', 'name=one');
  const { out } = await type('evict', 'name=*');
  assert.match(
    out,
    /^would evict [^]*\nnothing is stored of 1 more\nthis would free .* of 1 image; to do it, add --yes\n$/,
  );
});

test('a bare word is wrongly typed, and the terms that would do are said', async (t) => {
  const { type } = await place(t, [makeImage({ name: 'base-64' }), makeImage({ name: 'base-32' })]);
  for (const verb of ['list', 'evict', 'unpin']) {
    const { code, err } = await type(verb, 'base');
    assert.equal(code, 2);
    assert.match(err, /"base" is no term; .*; did you mean name=\*base\* \(2 images\)\?$/m);
  }
});
