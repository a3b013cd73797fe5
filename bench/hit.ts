/** One client, one 500 MB file, as fast as it goes: stored, and cold. For information: it has no bound. */
import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';
import { createBlobLayout } from '../src/blobs/layout.ts';
import { isSha1Hex } from '../src/imgapi/ids.ts';
import type { BenchContext } from './support/bench.ts';
import { openConnection } from './support/connection.ts';
import { fetchFile } from './support/fetch-file.ts';
import { median, type Figure } from './support/figures.ts';
import { freePort } from './support/free-port.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { startNginx } from './support/nginx.ts';
import { cpuSecondsOf } from './support/process-stats.ts';
import { startUpstream, type ServedImage } from './support/upstream.ts';

const FILE_BYTES = 500e6;
const COLD_RUNS = 2;
// CPU time is counted in ticks of 10 ms: one run alone would be good for one digit.
const HIT_RUNS = 6;
const GB = 1e9;

interface Server {
  readonly port: number;
  readonly pid: number;
}

interface Sent {
  readonly gbPerSecond: number;
  readonly cpuSecondsPerGb: number;
}

export async function hit({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  const files = Array.from({ length: COLD_RUNS }, (_, run) => ({ name: `cold-${run}`, bytes: FILE_BYTES }));
  await using upstream = await startUpstream({ files }, signal);
  await using mirror = await startMirror({ dir, upstreamUrls: [upstream.url] }, signal);
  await untilListed(mirror.port, COLD_RUNS, signal);
  const [image] = upstream.images;
  if (image === undefined) throw new Error('the upstream has no image');

  const cold = await measure(mirror, upstream.images, 'MISS', signal);
  progress('cold runs done');
  await verify(mirror, image, signal);
  const stored = Array.from({ length: HIT_RUNS }, () => image);
  const hits = await measure(mirror, stored, 'HIT', signal);
  progress('hits done');
  const figures = [...figuresOf('hit', hits), ...figuresOf('cold', cold)];

  const root = path.join(dir, 'nginx-root');
  await mkdir(root);
  await symlink(blobFile(dir, image), path.join(root, image.uuid));
  await using nginx = await startNginx({ dir: path.join(dir, 'nginx'), root, port: await freePort() }, signal);
  if (nginx === undefined) {
    progress('nginx is not installed: nothing to compare with');
    return figures;
  }
  await verify(nginx, image, signal);
  return [...figures, ...figuresOf('nginx sendfile', await measure(nginx, stored, undefined, signal))];
}

/** One file after the other over one connection. */
async function measure(
  server: Server,
  images: readonly ServedImage[],
  cache: 'HIT' | 'MISS' | undefined,
  signal: AbortSignal,
): Promise<Sent[]> {
  const connection = await openConnection({ port: server.port, signal });
  try {
    const sent: Sent[] = [];
    for (const image of images) {
      const cpuBefore = await cpuSecondsOf(server.pid);
      const { sentAtMs, endedAtMs, headers } = await fetchFile(connection, image);
      const cpuSeconds = (await cpuSecondsOf(server.pid)) - cpuBefore;
      const found = headers.get('x-cache');
      if (found !== cache) throw new Error(`a file that should be a ${cache} was a ${found}`);
      const gb = image.bytes / GB;
      sent.push({ gbPerSecond: gb / ((endedAtMs - sentAtMs) / 1000), cpuSecondsPerGb: cpuSeconds / gb });
    }
    return sent;
  } finally {
    connection.close();
  }
}

/** Hashing would slow down the runs that are timed, so it has one of its own. */
async function verify(server: Server, image: ServedImage, signal: AbortSignal): Promise<void> {
  const connection = await openConnection({ port: server.port, signal });
  try {
    await fetchFile(connection, image, { isVerified: true });
  } finally {
    connection.close();
  }
}

function blobFile(dir: string, { sha1 }: ServedImage): string {
  if (!isSha1Hex(sha1)) throw new Error(`not a SHA-1: ${sha1}`);
  return createBlobLayout(path.join(dir, 'cache')).blob(sha1);
}

function figuresOf(name: string, sent: readonly Sent[]): Figure[] {
  const wall = sent.map(({ gbPerSecond }) => gbPerSecond);
  const cpu = sent.map(({ cpuSecondsPerGb }) => cpuSecondsPerGb);
  return [
    { name: `${name}, ${FILE_BYTES / 1e6} MB`, value: median(wall), unit: 'GB/s', decimals: 2, runs: wall },
    // All ticks of all runs: the mean loses less to rounding than the median.
    { name: `${name}, CPU`, value: mean(cpu), unit: 's/GB', decimals: 2, runs: cpu },
  ];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
