/** The doctor as an operator runs it: beside a mirror that runs, and beside one that was killed. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { runEntry, startServing } from './mirror-process.ts';

const env = { IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0' };

test('the doctor finds the mirror by its cache directory, examines it, and does not disturb it', async (t) => {
  const image = makeImage({ size: 5_000 });
  await using upstream = await startImageServer({ images: [image] });
  const cwd = await makeTempDir(t);
  const dir = path.join(cwd, 'cache');
  const mirror = await startServing(t, { cwd, dir, upstreams: [upstream.url] });
  const args = ['doctor', '--cache-dir', dir, '--upstream', upstream.url];
  await (await fetch(`${mirror.url}/images/${image.uuid}/file`)).arrayBuffer();

  const well = runEntry(t, args, { cwd, env });
  assert.equal(await well.ended, 0, well.out());
  const lines = well.out().trimEnd().split('\n');
  assert.equal(lines.at(-1), 'no problem, 0 warnings');
  assert.match(
    well.out(),
    new RegExp(`^ok {7}mirror {7}process ${mirror.pid} serves http://127\\.0\\.0\\.1:${mirror.port}, healthy`, 'm'),
  );
  assert.match(well.out(), new RegExp(`^ok {7}file {9}${image.uuid}: .* length, MD5 and SHA-1 are right$`, 'm'));

  mirror.child.kill('SIGKILL');
  await mirror.ended;
  const gone = runEntry(t, [...args, '--json'], { cwd, env });
  assert.equal(await gone.ended, 0);
  const values = gone.log();
  assert.deepEqual(values.at(-1), { ok: true, problems: 0, warnings: 1 });
  assert.match(String(values.find(({ verdict }) => verdict === 'warning')?.['found']), /^no mirror runs on /);
});

test('against what is no mirror it exits 1, and says what to do', async (t) => {
  const cwd = await makeTempDir(t);
  await using upstream = await startImageServer();
  const args = ['doctor', '--upstream', upstream.url, '--as-client', `${upstream.url}/nothing/here`];
  const sick = runEntry(t, args, { cwd, env });
  assert.equal(await sick.ended, 1);
  assert.match(sick.out(), /^problem {2}ping .*HTTP status 404.* -> this is no image server/m);
  assert.match(sick.out(), /^1 problem, 1 warning\n$/m);
});
