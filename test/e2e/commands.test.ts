/** The commands as a person types them: against a mirror that runs, on a directory that none runs on, and on a terminal. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fieldsOf } from '../integration/ask.ts';
import { startImageServer, type ImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { runEntry, startServing } from './mirror-process.ts';

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));
const run = promisify(execFile);

const parent = makeImage({ name: 'parent', version: '1.0', size: 300_000 });
const child = makeImage({ name: 'child', version: '2.0', size: 200_000, origin: parent });
const other = makeImage({ name: 'other', version: '3.0', size: 100_000 });

interface Place {
  readonly upstream: ImageServer;
  readonly cwd: string;
  readonly dir: string;
  /** Runs a command to its end. */
  readonly type: (...args: readonly string[]) => Promise<{ code: unknown; out: string; err: string }>;
}

async function place(t: TestContext): Promise<Place> {
  const upstream = await startImageServer({ images: [parent, child, other] });
  t.after(async () => upstream.close());
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  return {
    upstream,
    cwd,
    dir,
    async type(...args) {
      const { ended, out, err } = runEntry(t, args, {
        cwd,
        env: {
          IMGAPI_MIRROR_CACHE_DIR: dir,
          IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0B',
          IMGAPI_MIRROR_UPSTREAMS: JSON.stringify([{ name: 'up', url: upstream.url }]),
        },
      });
      return { code: await ended, out: out(), err: err() };
    },
  };
}

/** The last line of a command's --json output. */
function last(out: string): Readonly<Record<string, unknown>> {
  return fieldsOf(JSON.parse(out.trimEnd().split('\n').at(-1) ?? ''));
}

async function fetchAll(port: number): Promise<void> {
  for (const image of [parent, child, other]) {
    const answer = await rawRequest({ port, path: `/images/${image.uuid}/file`, hash: true });
    assert.equal(answer.sha1, image.files[0]?.sha1);
  }
}

test('commands hand their work to the mirror that runs on the directory', async (t) => {
  const { type, ...here } = await place(t);
  const mirror = await startServing(t, { cwd: here.cwd, dir: here.dir, upstreams: [here.upstream.url] });
  await fetchAll(mirror.port);
  await until(async () => fieldsOf(last((await type('status', '--json')).out)['storage'])['blobs'] === 3);

  const list = await type('list', 'name=c*', 'name=other');
  assert.equal(list.code, 0, list.err);
  assert.match(list.out, new RegExp(`^UUID +NAME .*STATE\n(?:.*\n)*${child.uuid}  child .* cached\n`));
  assert.match(list.out, new RegExp(`^${other.uuid}  other`, 'm'));
  assert.doesNotMatch(list.out, new RegExp(`^${parent.uuid}`, 'm'));

  const shown = await type('show', child.uuid);
  assert.match(shown.out, new RegExp(`origin +${parent.uuid} parent 1.0 \\(cached\\)`));

  const pinned = await type('pin', 'name=child');
  assert.equal(pinned.code, 0, pinned.err);
  assert.match(pinned.out, new RegExp(`^pinned ${child.uuid}`, 'm'));
  assert.match(pinned.out, new RegExp(`^held with them ${parent.uuid}`, 'm'));

  const dry = await type('evict', 'cached');
  assert.match(dry.out, new RegExp(`would evict ${other.uuid}`));
  assert.match(dry.out, /add --yes/);
  assert.equal(last((await type('list', '--cached', '--json')).out)['total'], 3);
  const evicted = await type('evict', 'cached', '--yes');
  assert.equal(evicted.code, 0);
  assert.match(evicted.out, new RegExp(`^evicted ${other.uuid}`, 'm'));
  assert.match(evicted.out, new RegExp(`^kept ${child.uuid}`, 'm'));
  assert.equal(last((await type('list', '--cached', '--json')).out)['total'], 2);

  const scrubbed = await type('scrub', '--json');
  assert.equal(scrubbed.code, 0, scrubbed.err);
  assert.equal(last(scrubbed.out)['checked'], 2);
  assert.match(scrubbed.out, /"type":"progress"/);

  assert.match((await type('refresh')).out, /^127.0.0.1 +3 /m);
  assert.match((await type('unpin', 'pinned')).out, new RegExp(`^unpinned ${child.uuid}`, 'm'));
  assert.match((await type('status')).out, /^LAN +.* sent/m);

  const wrong = await type('accept', child.uuid);
  assert.equal(wrong.code, 1, 'there is no conflict to accept');
  assert.equal((await type('list', 'nmae=x')).code, 2);
  here.upstream.images.add(makeImage({ name: 'other', version: '3.0', uuid: other.uuid, size: 100_001 }));
  const refreshed = await type('refresh');
  assert.equal(refreshed.code, 0);
  assert.match(refreshed.out, /^1 image in conflict, .*: imgapi-mirror list conflict$/m);
  const conflict = await type('show', other.uuid);
  assert.match(conflict.out, new RegExp(`^remembered +${other.files[0]?.sha1}, 97.7KiB \\(100000 bytes\\), `, 'm'));
  assert.match(conflict.out, /^contradicted +[0-9a-f]{40}, 97.7KiB \(100001 bytes\), as 127.0.0.1 says since /m);
  assert.equal((await type('pin', 'name=nothing')).code, 1);
  assert.equal((await type('list', 'name=nothing')).code, 0);
});

test('without a mirror the same commands work on the directory themselves', async (t) => {
  const { type, ...here } = await place(t);
  const mirror = await startServing(t, { cwd: here.cwd, dir: here.dir, upstreams: [here.upstream.url] });
  await fetchAll(mirror.port);
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);

  const list = await type('list', '--cached', '--json');
  assert.equal(list.code, 0, list.err);
  assert.equal(last(list.out)['total'], 3);
  assert.equal((await type('pin', 'name=child')).code, 0);
  const evicted = await type('evict', 'cached', '--yes');
  assert.match(evicted.out, new RegExp(`^evicted ${other.uuid}`, 'm'), evicted.err);
  assert.match((await type('scrub')).out, /^2 files .* checked, 0 rotten/);
  here.upstream.forget();
  const { out } = await type('status');
  assert.match(out, /not running[^]*^images +3 listed, 2 files stored/m, 'all is counted');
  assert.doesNotMatch(out, /^(?:LAN|WAN|files) /m, 'no figures of a mirror that does not run');
  assert.match(out, /^integrity .*all read again: 2\d{3}-/m, 'what the scrub before has done is remembered');
  assert.match(out, /^up +not asked +3 +[\d.]+m?s +-$/m, 'the list is that of the mirror that ran');
  assert.equal(here.upstream.requests.length, 0, 'nobody was asked');
  const refreshed = await type('refresh');
  assert.equal(refreshed.err, '', 'a command that needs no count ends without a word about it');
  assert.match((await type('evict', 'name=other')).out, /^nothing is stored of 1 image$/m);

  const again = await startServing(t, { cwd: here.cwd, dir: here.dir, upstreams: [here.upstream.url] });
  const kept = await type('evict', child.uuid, '--yes');
  assert.match(kept.out, new RegExp(`^kept ${child.uuid}`, 'm'), 'the pin was kept over the restart');
  again.child.kill('SIGTERM');
  assert.equal(await again.ended, 0);
});

test('a mirror elsewhere is asked with its token', async (t) => {
  const { type, ...here } = await place(t);
  const token = 'a-token-that-is-long-enough';
  const mirror = await startServing(t, {
    cwd: here.cwd,
    dir: path.join(here.cwd, 'elsewhere'),
    upstreams: [here.upstream.url],
    env: { IMGAPI_MIRROR_ADMIN_TOKEN: token },
  });
  assert.equal((await type('list', '--mirror', mirror.url)).code, 0, 'reading needs no token');
  const without = await type('refresh', '--mirror', mirror.url);
  assert.equal(without.code, 1);
  assert.match(without.err, /--token/);
  assert.equal((await type('refresh', '--mirror', mirror.url, '--token', token)).code, 0);
  const nobody = await type('status', '--mirror', 'http://127.0.0.1:1', '--json');
  assert.equal(nobody.code, 1);
  assert.match(nobody.out, /"error"/);
  assert.equal((await type('status', '--mirror', 'mirror:8080')).code, 2);
});

test('on a terminal there are bars and a screen that is drawn anew', async (t) => {
  const { type: _, ...here } = await place(t);
  await mkdir(here.dir);
  const mirror = await startServing(t, { cwd: here.cwd, dir: here.dir, upstreams: [here.upstream.url] });
  await fetchAll(mirror.port);
  const command = (words: string): string => `'${process.execPath}' '${ENTRY}' ${words} --cache-dir '${here.dir}'`;
  const scrub = await run('script', ['-qec', command('scrub'), '/dev/null'], { cwd: here.cwd, timeout: 30_000 });
  assert.match(scrub.stdout, /scrub +\[[#-]{24}\] +\d+% /);
  assert.match(scrub.stdout, /3 files .* checked/);
  // timeout(1) sends SIGINT, as Ctrl-C does.
  const watch = await run(
    'script',
    ['-qec', `timeout --preserve-status -s INT 4 ${command('status --watch')}`, '/dev/null'],
    {
      cwd: here.cwd,
      timeout: 30_000,
    },
  );
  assert.ok(watch.stdout.split('\u001B[H\u001B[J').length > 2, 'drawn at least twice');
  assert.match(watch.stdout, /images +3 listed/);
});

test('somebody else’s directory is not taken for a broken one: the command says who should type it', async (t) => {
  const { type: _, ...here } = await place(t);
  const nobody = 65_534;
  // Root may do anything anywhere, so it is left for a user who may not; whoever else runs this, locks himself out.
  const isRoot = process.getuid?.() === 0;
  await mkdir(here.dir, { mode: isRoot ? 0o700 : 0o500 });
  await chmod(here.cwd, isRoot ? 0o755 : 0o700);
  const typeAsOther = async (...args: readonly string[]): Promise<unknown> =>
    run(process.execPath, [ENTRY, ...args, '--cache-dir', here.dir], {
      cwd: '/',
      timeout: 30_000,
      ...(isRoot ? { uid: nobody, gid: nobody } : {}),
    });
  // Not by root: what root makes there, the mirror's user could not use.
  const asUser = /EACCES.*permission denied\); run this as the mirror’s user, or name the mirror with --mirror URL\n$/;
  await assert.rejects(typeAsOther('status'), { code: 1, stderr: asUser });
  await assert.rejects(typeAsOther('doctor', '--offline'), {
    code: 1,
    stdout: /^problem +cache +.* EACCES .*run the doctor as the mirror’s user/m,
  });
  // As it is while a mirror runs there: its secret is for nobody else.
  await chmod(here.dir, 0o755);
  await startServing(t, { cwd: here.cwd, dir: here.dir, upstreams: [here.upstream.url] });
  await chmod(path.join(here.dir, 'serving.json'), isRoot ? 0o600 : 0o000);
  const stderr = /serving\.json cannot be read: EACCES; run this as the mirror’s user or as root, or .*--mirror URL\n$/;
  await assert.rejects(typeAsOther('status'), { code: 1, stderr });
});
