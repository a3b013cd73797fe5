/** A cache directory that can no more be written under a running mirror: what is stored is served, the rest passed through. */
import assert from 'node:assert/strict';
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import { until } from '../support/wait-for.ts';

/** More than the verdict on the disk holds. */
const SOON = { deadlineMs: 30_000, everyMs: 100 };

/** Makes it so that nothing new can be put there, for root too; what it returns undoes that. */
async function makeUnwritable(dir: string): Promise<() => Promise<void>> {
  const [partial, away, probe] = ['partial', 'partial-away', '.probe'].map((name) => path.join(dir, name));
  assert(partial && away && probe);
  await rename(partial, away);
  await writeFile(partial, '');
  await mkdir(probe);
  return async () => {
    await rm(partial);
    await rename(away, partial);
    await rmdir(probe);
  };
}

test('a directory that cannot even be read costs no client what its upstream has, and nothing is absent for it', async (t) => {
  const listed = makeImage({ name: 'listed', size: 300_000, icon: true });
  const hidden = makeImage({ name: 'hidden', size: 300_000, state: 'disabled' });
  await using upstream = await startImageServer({ images: [listed, hidden] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = async (at: string, method = 'GET'): Promise<readonly unknown[]> => {
    const { status, headers } = await rawRequest({ port: mirror.port, path: at, method });
    return [status, headers['x-cache']];
  };
  const away = `${mirror.dir}-away`;
  await rename(mirror.dir, away);
  // Whatever is looked for in it is ENOTDIR, which tells no more than EIO.
  await writeFile(mirror.dir, '');
  try {
    assert.deepEqual(await ask(`/images/${listed.uuid}/file`, 'HEAD'), [200, 'MISS']);
    assert.deepEqual(await ask(`/images/${listed.uuid}/file`), [200, 'PASS']);
    assert.deepEqual(await ask(`/images/${listed.uuid}/icon`), [200, 'MISS']);
    assert.deepEqual(await ask(`/images/${hidden.uuid}`), [200, 'MISS']);
    assert.equal((await ask('/images/99999999-1111-4111-8111-111111111111'))[0], 503);
    assert.equal((await ask('/images'))[0], 200);
  } finally {
    await rm(mirror.dir);
    await rename(away, mirror.dir);
  }
});

test('nobody notices but the operator: counted as the disk’s failure, told with the reason, and over by itself', async (t) => {
  const [stored, second, third] = ['stored', 'second', 'third'].map((name) => makeImage({ name, size: 300_000 }));
  assert(stored && second && third);
  await using upstream = await startImageServer({ images: [stored, second, third] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = async ({ uuid, files }: TestImage): Promise<unknown> => {
    const answer = await rawRequest({ port: mirror.port, path: `/images/${uuid}/file`, hash: true });
    assert.deepEqual([answer.status, answer.sha1], [200, files[0]?.sha1]);
    return answer.headers['x-cache'];
  };
  const readyJson = async (): Promise<unknown> => {
    const { status, body } = await rawRequest({ port: mirror.port, path: '/_mirror/ready' });
    return [status, JSON.parse(body.toString())];
  };
  assert.equal(await ask(stored), 'MISS');
  const restore = await makeUnwritable(mirror.dir);
  assert.equal(await ask(stored), 'HIT');
  assert.equal(await ask(second), 'PASS');
  const downloads = async (result: string) => mirror.metric(`imgapi_mirror_downloads_total{result="${result}"}`);
  assert.deepEqual([await downloads('disk'), await downloads('failed')], [1, 0]);
  assert.equal(await mirror.metric('imgapi_mirror_pass_throughs_total{result="right"}'), 1);
  for (const series of [
    'cache_results_total{kind="file",result="pass"}',
    'cache_results_total{kind="file",result="miss"}',
  ])
    assert.equal(await mirror.metric(`imgapi_mirror_${series}`), 1, series);
  assert.equal(await mirror.metric('imgapi_mirror_file_response_bytes_total{result="pass"}'), 300_000);
  assert.equal(mirror.log.linesOf(/^download could not be stored$/).length, 1);
  await until(async () => (await mirror.metric('imgapi_mirror_cache_writable')) === 0, SOON);
  assert.equal(await mirror.metric('imgapi_mirror_ready'), 1);
  const reasons = ['nothing can be written to the cache directory: EISDIR'];
  assert.deepEqual(await readyJson(), [200, { ready: true, reasons }]);
  await restore();
  await until(async () => (await mirror.metric('imgapi_mirror_cache_writable')) === 1, SOON);
  assert.deepEqual(await readyJson(), [200, { ready: true, reasons: [] }]);
  assert.equal(await ask(third), 'MISS');
  assert.equal(await ask(third), 'HIT');
});
