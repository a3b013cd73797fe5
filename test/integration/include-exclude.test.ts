/** `upstreams[].include` and `exclude`: of each upstream only a part is listed, and all of it is served by uuid. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';

const base = makeImage({ name: 'base', size: 1000 });
const child = makeImage({ name: 'child', size: 1000, origin: base });
const trial = makeImage({ name: 'trial', size: 1000 });

async function listed(url: string): Promise<string[]> {
  const images: unknown = await (await fetch(`${url}/images`)).json();
  assert.ok(Array.isArray(images));
  return images.map(({ name }: { name: string }) => name).toSorted();
}

test('each upstream lists what is included and not excluded; what one leaves out another may list; origins are served', async (t) => {
  await using first = await startImageServer({ images: [base, child, trial] });
  await using second = await startImageServer({ images: [trial] });
  const mirror = await startMirror(t, {
    upstreams: [
      { url: first.url, include: ['name=child', 'name=trial'], exclude: ['name=tr*'] },
      { url: second.url, exclude: ['name=nothing'] },
    ],
  });
  assert.deepEqual(await listed(mirror.url), ['child', 'trial']);
  assert.equal(mirror.app.catalog.peek(undefined)?.snapshot.get(trial.uuid)?.upstream, 'up1');
  const answer = await rawRequest({ port: mirror.port, path: `/images/${base.uuid}/file`, hash: true });
  assert.equal(answer.sha1, base.files[0]?.sha1);
});
