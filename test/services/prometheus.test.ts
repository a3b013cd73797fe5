import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { hasNeeds } from './support/need.ts';
import { runCommand, tryCommand } from './support/run-command.ts';
import { mirrorEnv, startMirror } from './support/started-mirror.ts';

const ENTRY = fileURLToPath(new URL('../../bin/imgapi-mirror.js', import.meta.url));

test('promtool has nothing to say about the metrics of a mirror that was used', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const image = makeImage({ size: 1_000_000, icon: true });
  await using upstream = await startImageServer({ images: [image] });
  const cacheDir = join(await makeTempDir(t), 'cache');
  const command = [process.execPath, ENTRY, 'serve', '--cache-dir', cacheDir] as const;
  const mirror = await startMirror(t, command, mirrorEnv(upstream.url));
  const paths = [
    '/ping',
    '/images',
    `/images/${image.uuid}`,
    `/images/${image.uuid}/file`,
    `/images/${image.uuid}/file`,
  ];
  for (const path of [...paths, '/images/junk', '/metrics']) await (await fetch(mirror.url + path)).arrayBuffer();

  const metrics = await (await fetch(`${mirror.url}/metrics`)).text();
  assert.match(metrics, /^imgapi_mirror_/m);
  // It exits 0 on mere advice, so what it writes counts too.
  const { code, out, err } = await tryCommand('promtool', ['check', 'metrics'], { input: metrics });
  assert.deepEqual({ code, out, err }, { code: 0, out: '', err: '' });
});

test('promtool does object to bad metrics', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const bad = '# TYPE imgapi_mirror_requests counter\nimgapi_mirror_requests 1\n';
  await assert.rejects(runCommand('promtool', ['check', 'metrics'], { input: bad }), /_total/);
});
