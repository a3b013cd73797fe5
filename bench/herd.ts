/** A cold herd: 20 clients ask for one file at the same moment, and it comes from a slow upstream once. */
import type { BenchContext } from './support/bench.ts';
import { openConnection } from './support/connection.ts';
import { fetchFile } from './support/fetch-file.ts';
import { median, type Figure } from './support/figures.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { startUpstream, type BenchUpstream, type ServedImage } from './support/upstream.ts';

const CLIENTS = 20;
const FILE_BYTES = 200e6;
const RATE_BYTES_PER_SECOND = 50e6;
const RUNS = 3;

interface HerdRun {
  /** Bytes pulled from the upstream, as a multiple of the file. */
  readonly pulled: number;
  /** From the requests to the slowest client's last byte, as a multiple of size / rate. */
  readonly slowest: number;
  /** The median client's first byte, counted from the upstream's. */
  readonly firstByteMs: number;
}

export async function herd({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  const files = Array.from({ length: RUNS }, (_, run) => ({ name: `herd-${run}`, bytes: FILE_BYTES }));
  const behaviour = { rateBytesPerSecond: RATE_BYTES_PER_SECOND };
  await using upstream = await startUpstream({ files, behaviour }, signal);
  await using mirror = await startMirror({ dir, upstreamUrls: [upstream.url] }, signal);
  await untilListed(mirror.port, RUNS, signal);
  const runs: HerdRun[] = [];
  for (const image of upstream.images) {
    runs.push(await runHerd(upstream, mirror.port, image, signal));
    progress(`run ${runs.length} of ${RUNS}`);
  }
  const pulled = runs.map((run) => run.pulled);
  const slowest = runs.map((run) => run.slowest);
  const firstByteMs = runs.map((run) => run.firstByteMs);
  return [
    {
      name: 'upstream bytes / file (worst run)',
      value: Math.max(...pulled),
      unit: 'x',
      decimals: 4,
      bound: { atMost: 1.01 },
      runs: pulled,
    },
    {
      name: `slowest of ${CLIENTS} clients / (size / rate)`,
      value: median(slowest),
      unit: 'x',
      decimals: 3,
      bound: { atMost: 1.1 },
      runs: slowest,
    },
    {
      name: "median first byte after the upstream's",
      value: median(firstByteMs),
      unit: 'ms',
      decimals: 1,
      bound: { below: 50 },
      runs: firstByteMs,
    },
  ];
}

async function runHerd(
  upstream: BenchUpstream,
  port: number,
  image: ServedImage,
  signal: AbortSignal,
): Promise<HerdRun> {
  const before = await upstream.counts();
  const connections = await Promise.all(Array.from({ length: CLIENTS }, () => openConnection({ port, signal })));
  try {
    const answers = await Promise.all(
      connections.map((connection, client) => fetchFile(connection, image, { isVerified: client === 0 })),
    );
    const { bytesSent, firstByteAtMs } = await upstream.counts();
    const firstAtMs = firstByteAtMs[image.uuid];
    if (firstAtMs === undefined) throw new Error('the upstream was not asked for the file: the herd was not cold');
    const idealMs = (image.bytes / RATE_BYTES_PER_SECOND) * 1000;
    return {
      pulled: (bytesSent - before.bytesSent) / image.bytes,
      slowest: Math.max(...answers.map(({ sentAtMs, endedAtMs }) => endedAtMs - sentAtMs)) / idealMs,
      firstByteMs: median(answers.map((answer) => answer.firstByteAtMs - firstAtMs)),
    };
  } finally {
    for (const connection of connections) connection.close();
  }
}
