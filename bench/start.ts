/** From spawning the process to the first connection it accepts, with 2,000 blobs in the cache. */
import { once } from 'node:events';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from './support/bench.ts';
import { nowMs } from './support/clock.ts';
import { openConnection } from './support/connection.ts';
import { fetchFile } from './support/fetch-file.ts';
import { median, type Figure } from './support/figures.ts';
import { freePort } from './support/free-port.ts';
import { hasEnded, spawnMirror, startMirror, stopMirror, untilListed, type MirrorOptions } from './support/mirror.ts';
import { startUpstream, type ServedImage } from './support/upstream.ts';

const BLOBS = 2000;
const RUNS = 5;
// Twice the downloads an upstream runs at once by default, so that none of its slots is ever idle.
const FILLERS = 32;
const START_MS = 10_000;

export async function start({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  await using upstream = await startUpstream({ catalog: { seed: 'start', count: BLOBS, oddities: false } }, signal);
  const options: MirrorOptions = { dir: path.join(dir, 'full'), upstreamUrls: [upstream.url] };
  await fill(options, upstream.images, signal);
  progress(`${BLOBS} blobs stored`);

  // Known beforehand, so that connecting can be tried before the mirror could say which one it chose.
  const port = await freePort();
  const runs: number[] = [];
  // One more than counted: the first may have to fill the compile cache.
  for (let run = 0; run <= RUNS; run += 1) {
    const ms = await timeStart({ ...options, port }, upstream.images, signal);
    if (run > 0) runs.push(ms);
  }
  progress(`${RUNS} starts timed`);
  return [
    {
      name: `start to listening, ${BLOBS} blobs`,
      value: median(runs),
      unit: 'ms',
      bound: { below: 500 },
      runs,
    },
  ];
}

/** The mirror fills the directory itself: what lies there is then what it would be. */
async function fill(options: MirrorOptions, images: readonly ServedImage[], signal: AbortSignal): Promise<void> {
  await using mirror = await startMirror(options, signal);
  await untilListed(mirror.port, images.length, signal);
  const next = images.values();
  await Promise.all(
    Array.from({ length: FILLERS }, async () => {
      const connection = await openConnection({ port: mirror.port, signal });
      try {
        for (const image of next) await fetchFile(connection, image, { isVerified: true });
      } finally {
        connection.close();
      }
    }),
  );
}

async function timeStart(
  options: MirrorOptions & { readonly port: number },
  images: readonly ServedImage[],
  signal: AbortSignal,
): Promise<number> {
  const spawnedAtMs = nowMs();
  const child = await spawnMirror(options);
  try {
    while (!(await canConnect(options.port))) {
      signal.throwIfAborted();
      if (hasEnded(child)) throw new Error(`the mirror ended with ${child.exitCode ?? child.signalCode}`);
      if (nowMs() - spawnedAtMs > START_MS) throw new Error(`the mirror did not listen within ${START_MS / 1000} s`);
      await sleep(1, undefined, { signal });
    }
    const ms = nowMs() - spawnedAtMs;
    // It must have come up with what it holds, not with an empty directory.
    const connection = await openConnection({ port: options.port, signal });
    const [image] = images;
    if (image === undefined) throw new Error('there is no image');
    const { headers } = await fetchFile(connection, image, { isVerified: true });
    connection.close();
    if (headers.get('x-cache') !== 'HIT') throw new Error(`a stored blob was a ${headers.get('x-cache')}`);
    return ms;
  } finally {
    await stopMirror(child);
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    // Refused: it does not listen yet.
    return false;
  } finally {
    socket.destroy();
  }
}
