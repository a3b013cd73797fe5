import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { createSeededBytes } from '../../support/image-bytes.ts';
import { until } from '../../support/wait-for.ts';
import { BYTES, createBench, registryOf, take, wantedFrom } from './download-bench.ts';
import { createFakeUpstream, fileOf } from './fake-upstream.ts';

test('closing gives up what runs, waits for it, and begins nothing any more; what is stored is still served', async () => {
  const bench = createBench();
  const stored = createSeededBytes('stored', 1000).read(0, 1000);
  bench.blobs.put(stored);
  const upstream = createFakeUpstream('up0', {
    file: ({ signal }) =>
      fileOf(BYTES, {
        gate: async () =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(new MirrorError('UpstreamUnavailable', 'aborted')));
          }),
      }),
  });
  const downloads = registryOf(bench, [upstream]);
  const running = await downloads.obtain(wantedFrom([upstream]));
  await until(() => upstream.files.length === 1);
  await turn();
  await downloads.close();
  assert.deepEqual(
    bench.ends.map(({ result }) => result),
    ['aborted'],
  );
  await assert.rejects(take(running), { code: 'ShuttingDown' });
  await assert.rejects(downloads.obtain(wantedFrom([upstream])), { code: 'ShuttingDown' });
  assert.deepEqual((await take(await downloads.obtain(wantedFrom([upstream], stored)))).bytes, stored);
});

test('a download whose room is granted only after the close does not begin', async () => {
  const bench = createBench();
  const upstream = createFakeUpstream('up0', { file: () => fileOf(BYTES) });
  const downloads = registryOf(bench, [upstream]);
  const gate = Promise.withResolvers<void>();
  bench.space.gate = gate.promise;
  const late = downloads.obtain(wantedFrom([upstream]));
  await turn();
  await downloads.close();
  gate.resolve();
  await assert.rejects(late, { code: 'ShuttingDown' });
  assert.deepEqual([upstream.files.length, bench.space.held], [0, 0]);
});

test('with finishAbandoned off, who comes right after the last client left gets the file, not its failure', async () => {
  const bench = createBench();
  const upstream = createFakeUpstream('up0', {
    file: ({ signal, offset }) =>
      fileOf(BYTES, {
        start: offset,
        chunkBytes: 50_000,
        gate: async () => {
          await turn();
          if (signal.aborted) throw new MirrorError('UpstreamUnavailable', 'aborted');
        },
      }),
  });
  const downloads = registryOf(bench, [upstream], { finishAbandoned: false });
  const wanted = wantedFrom([upstream]);
  const left = await downloads.obtain(wanted);
  await left.headers;
  await left.source.close();
  // The download has been given up, and is still cleaning up.
  const next = await downloads.obtain(wanted);
  assert.deepEqual((await take(next)).bytes, BYTES);
});
