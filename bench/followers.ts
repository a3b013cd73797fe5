/** Memory: 100 followers of one download, one of them so slow that anything buffered for it would pile up. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from './support/bench.ts';
import { openConnection, type ConnectionOptions } from './support/connection.ts';
import { fetchFile } from './support/fetch-file.ts';
import type { Figure } from './support/figures.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { residentBytesOf } from './support/process-stats.ts';
import { startUpstream } from './support/upstream.ts';

const FOLLOWERS = 100;
const SLOW_BYTES_PER_SECOND = 10_000;
const FILE_BYTES = 100e6;
// 99 followers take a GB/s together: as much as mirror and load generator can move on two cores.
const RATE_BYTES_PER_SECOND = 10e6;
const MB = 1e6;

export async function followers({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  const behaviour = { rateBytesPerSecond: RATE_BYTES_PER_SECOND };
  const files = [{ name: 'followed', bytes: FILE_BYTES }];
  await using upstream = await startUpstream({ files, behaviour }, signal);
  await using mirror = await startMirror({ dir, upstreamUrls: [upstream.url] }, signal);
  await untilListed(mirror.port, 1, signal);
  const [image] = upstream.images;
  if (image === undefined) throw new Error('the upstream has no image');
  const before = await residentBytesOf(mirror.pid);

  const options = Array.from({ length: FOLLOWERS }, (_, index): ConnectionOptions => {
    const { port } = mirror;
    return index === 0 ? { port, signal, bytesPerSecond: SLOW_BYTES_PER_SECOND } : { port, signal };
  });
  const [slow, ...fast] = await Promise.all(options.map(openConnection));
  if (slow === undefined) throw new Error('there is no slow follower');
  try {
    let slowBytes = 0;
    let isCutOff = false;
    const slowEnd = slow
      .get(`/images/${image.uuid}/file`, (piece) => {
        slowBytes += piece.length;
      })
      .catch((error: unknown) => {
        // We end it ourselves once the others are done; an earlier end is the mirror's doing.
        if (!isCutOff) throw error;
      });
    slowEnd.catch(() => {});
    const startedAtMs = performance.now();
    await Promise.all(fast.map((connection, index) => fetchFile(connection, image, { isVerified: index === 0 })));
    const seconds = (performance.now() - startedAtMs) / 1000;
    progress(`${fast.length} fast followers done after ${seconds.toFixed(1)} s, the slow one has ${slowBytes} bytes`);
    const after = await residentBytesOf(mirror.pid);
    isCutOff = true;
    slow.close();
    await slowEnd;
    if (slowBytes === 0) throw new Error('the slow follower was given nothing');
    // Time for the mirror to let go of the last one.
    await sleep(500, undefined, { signal });
    const settled = await residentBytesOf(mirror.pid);
    return [
      { name: `peak RSS with ${FOLLOWERS} followers`, value: after.peak / MB, unit: 'MB', bound: { below: 200 } },
      { name: 'RSS when the fast ones are done', value: after.now / MB, unit: 'MB' },
      { name: 'RSS before', value: before.now / MB, unit: 'MB' },
      { name: 'RSS when all have gone', value: settled.now / MB, unit: 'MB' },
      {
        name: 'fast followers done / (size / rate)',
        value: seconds / (FILE_BYTES / RATE_BYTES_PER_SECOND),
        unit: 'x',
        decimals: 3,
      },
    ];
  } finally {
    for (const connection of [slow, ...fast]) connection.close();
  }
}
