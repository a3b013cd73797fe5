/**
 * What Prometheus waits for: `/metrics` while 100 downloads are running, each with a client that follows it. The median has the bound;
 * the slower ones are behind what the downloads do in the same event loop, as `/_mirror/health`, which does nothing itself, shows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BenchContext } from './support/bench.ts';
import { nowMs } from './support/clock.ts';
import { openConnection, type Connection } from './support/connection.ts';
import { median, percentile, type Figure } from './support/figures.ts';
import { startMirror, untilListed } from './support/mirror.ts';
import { cpuSecondsOf } from './support/process-stats.ts';
import { startUpstream } from './support/upstream.ts';

const METRICS = '/metrics';
const HEALTH = '/_mirror/health';
const DOWNLOADS = 100;
/** At this rate none of them ends before the measuring does. */
const RATE_BYTES_PER_SECOND = 100_000;
const FILE_BYTES = 5e6;
const WARM_UP = 20;
const SCRAPES = 200;
/** What the downloads cost is measured for so long, and taken off. */
const UNSCRAPED_MS = 4_000;
const PAUSE_MS = 50;
const BOUND_MS = 10;

export async function scrape({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  const files = Array.from({ length: DOWNLOADS }, (_, at) => ({ name: `file-${at}`, bytes: FILE_BYTES }));
  const behaviour = { rateBytesPerSecond: RATE_BYTES_PER_SECOND, rateScope: 'each' } as const;
  await using upstream = await startUpstream({ files, behaviour }, signal);
  const upstreams = JSON.stringify([{ name: 'slow', url: upstream.url, maxDownloads: DOWNLOADS, proxy: 'none' }]);
  await using mirror = await startMirror(
    { dir, upstreamUrls: [], env: { IMGAPI_MIRROR_UPSTREAMS: upstreams } },
    signal,
  );
  await untilListed(mirror.port, DOWNLOADS, signal);
  const { port } = mirror;
  const idle = await openConnection({ port, signal });
  const [clients, prometheus] = await Promise.all([
    Promise.all(upstream.images.map(async () => openConnection({ port, signal }))),
    openConnection({ port, signal }),
  ]);
  try {
    const idleMs = await timesOf(METRICS, idle, WARM_UP, signal);
    let isOver = false;
    const followed = clients.map(async (client, at) => {
      const image = upstream.images[at];
      // Cut off by us at the end; until then an end is the mirror's doing.
      await client.get(`/images/${image?.uuid}/file`).catch((error: unknown) => {
        if (!isOver) throw error;
      });
    });
    const failed = Promise.all(followed);
    failed.catch(() => {});
    await untilRunning(prometheus, signal);
    progress(`${DOWNLOADS} downloads are running`);
    await timesOf(METRICS, prometheus, WARM_UP, signal);
    const alone = await cpuOf(mirror.pid, async () => sleep(UNSCRAPED_MS, undefined, { signal }));
    let times: readonly number[] = [];
    const scraped = await cpuOf(mirror.pid, async () => {
      times = await timesOf(METRICS, prometheus, SCRAPES, signal);
    });
    const healthMs = await timesOf(HEALTH, prometheus, SCRAPES, signal);
    const cpuSeconds = scraped.cpuSeconds - (alone.cpuSeconds / alone.seconds) * scraped.seconds;
    await untilRunning(prometheus, signal);
    const { bodyBytes } = await prometheus.get(METRICS);
    isOver = true;
    for (const client of clients) client.close();
    await failed;
    return [
      ...figuresOf(`${METRICS}, ${DOWNLOADS} downloads running`, times, { below: BOUND_MS }),
      ...figuresOf(`${HEALTH}, the same`, healthMs),
      { name: `${METRICS}, nothing running: median`, value: median(idleMs), unit: 'ms', decimals: 1 },
      { name: `${METRICS} size`, value: bodyBytes / 1000, unit: 'kB' },
      { name: 'CPU of the downloads alone', value: (alone.cpuSeconds / alone.seconds) * 100, unit: '%' },
      { name: 'CPU of one scrape', value: (cpuSeconds * 1000) / SCRAPES, unit: 'ms', decimals: 1 },
    ];
  } finally {
    for (const connection of [...clients, prometheus, idle]) connection.close();
  }
}

function figuresOf(name: string, times: readonly number[], ofMedian?: { readonly below: number }): Figure[] {
  const ms = { unit: 'ms', decimals: 1 };
  return [
    { name: `${name}: median`, value: median(times), ...ms, ...(ofMedian === undefined ? {} : { bound: ofMedian }) },
    { name: `${name}: p90`, value: percentile(times, 0.9), ...ms },
    { name: `${name}: p99`, value: percentile(times, 0.99), ...ms },
  ];
}

async function cpuOf(
  pid: number,
  work: () => Promise<unknown>,
): Promise<{ readonly cpuSeconds: number; readonly seconds: number }> {
  const cpuBefore = await cpuSecondsOf(pid);
  const startedAtMs = nowMs();
  await work();
  return { cpuSeconds: (await cpuSecondsOf(pid)) - cpuBefore, seconds: (nowMs() - startedAtMs) / 1000 };
}

async function timesOf(path: string, connection: Connection, times: number, signal: AbortSignal): Promise<number[]> {
  const measured: number[] = [];
  for (let at = 0; at < times; at++) {
    const startedAtMs = nowMs();
    const { status } = await connection.get(path);
    measured.push(nowMs() - startedAtMs);
    if (status !== 200) throw new Error(`${path} was answered with ${status}`);
    await sleep(PAUSE_MS, undefined, { signal });
  }
  return measured;
}

async function untilRunning(connection: Connection, signal: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(20_000)]);
  for (;;) {
    const pieces: Buffer[] = [];
    await connection.get(METRICS, (piece) => void pieces.push(Buffer.from(piece)));
    if (Buffer.concat(pieces).includes(`\nimgapi_mirror_downloads_running ${DOWNLOADS}\n`)) return;
    await sleep(50, undefined, { signal: deadline });
  }
}
