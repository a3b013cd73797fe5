/**
 * A chaos run: one mirror, ended and begun again many times on one directory, between hostile upstreams and careless
 * clients. It counts what must not happen, and in the end lets the upstreams behave and asks for everything once more.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startImageServer } from '../support/image-server.ts';
import type { ImageServer } from '../support/image-server.ts';
import { filesOf, makeChaosImages } from './chaos-images.ts';
import type { ChaosFile } from './chaos-images.ts';
import { askSomehow, askWhole } from './clients.ts';
import type { Judged, Verdict } from './clients.ts';
import { leakedFiles, loseBlobs, openDescriptors } from './disk.ts';
import { createHostile } from './hostile.ts';
import { beginChildLife, beginLife } from './lives.ts';
import type { Life, LifeOptions } from './lives.ts';
import { createRandom } from './random.ts';

export interface ChaosOptions {
  readonly downloads: number;
  readonly seed: number;
  /** No new download is begun after this long; Infinity for none. */
  readonly maxMs: number;
  /** Downloads in one life of the mirror. */
  readonly lifeDownloads: number;
  /** True: every third life is a child process, which may end by kill -9. */
  readonly children: boolean;
  readonly progress: (text: string) => void;
}

export interface ChaosReport {
  readonly downloads: number;
  readonly verdicts: ReadonlyMap<Verdict, number>;
  /** What was seen of each wrong clean end and each hung response. */
  readonly wrong: readonly string[];
  readonly hung: readonly string[];
  /** Answers by X-Cache. */
  readonly caches: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  /** Requests that clients made anew at once, since the answer before was broken off. */
  readonly askedAgain: number;
  readonly restarts: number;
  readonly kills: number;
  readonly leakedDescriptors: number;
  readonly leakedFiles: readonly string[];
  readonly files: number;
  readonly healed: number;
  /** Most memory this process held, upstreams and clients included, MiB. */
  readonly peakRssMib: number;
}

const UPSTREAMS = 3;
const CONCURRENCY = 16;
const STALL_TIMEOUT_MS = 300;
/** Far above what an answer takes that always makes progress, at worst: three sources, attempts, backoff, queue. */
const HUNG_MS = 90_000;
const SMALL_BYTES = 6 * 1024 * 1024;
const HEAL_MS = 30_000;
const DESCRIPTORS_SETTLE_MS = 5_000;
const MIB = 1024 * 1024;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed } = options;
  const base = await mkdtemp(path.join(tmpdir(), 'imgapi-mirror-chaos-'));
  await using cleanup = new AsyncDisposableStack();
  cleanup.defer(async () => rm(base, { recursive: true, force: true, maxRetries: 3 }));
  const images = makeChaosImages();
  const byUuid = new Map(images.map((image) => [image.uuid as string, image]));
  const files = filesOf(images);
  const faults = new Map<string, number>();
  const before = await settledDescriptors(base);
  const servers: ImageServer[] = [];
  let liar = 0;
  for (let upstream = 0; upstream < UPSTREAMS; upstream += 1) {
    const server = cleanup.use(await startImageServer({ images }));
    server.behave = createHostile({
      seed,
      upstream,
      liesAboutRanges: () => upstream === liar,
      images: byUuid,
      stallTimeoutMs: STALL_TIMEOUT_MS,
      onFault: (name) => count(faults, name),
      elsewhere: () => servers[(upstream + 1) % UPSTREAMS]?.url ?? '',
    });
    servers.push(server);
  }
  const dir = path.join(base, 'cache');
  const hostile = await hostileTime(options, dir, servers, files, (number) => {
    // One that lies about every range through a whole life; in turn, so that it is the first to be asked in some.
    liar = number % UPSTREAMS;
  });
  for (const server of servers) server.behave = undefined;
  const healed = await heal(hostile.life, files, options.progress);
  await hostile.life.end('gently');
  for (const server of servers) await server.close();
  const sha1s = new Set<string>(files.map(({ file }) => file.sha1));
  const leaked = await leakedFiles(dir, sha1s);
  const leakedDescriptors = await descriptorsAbove(before);
  return { ...hostile.counts, faults, leakedDescriptors, leakedFiles: leaked, files: files.length, healed };
}

interface Counts {
  readonly downloads: number;
  readonly verdicts: Map<Verdict, number>;
  readonly wrong: string[];
  readonly hung: string[];
  readonly caches: Map<string, number>;
  readonly askedAgain: number;
  readonly restarts: number;
  readonly kills: number;
  readonly peakRssMib: number;
}

/** All lives but for what comes after the last download: that life is given back. */
async function hostileTime(
  options: ChaosOptions,
  dir: string,
  servers: readonly ImageServer[],
  files: readonly ChaosFile[],
  onLife: (number: number) => void,
): Promise<{ life: Life; counts: Counts }> {
  const { downloads, seed, lifeDownloads, progress } = options;
  const counts = { downloads: 0, askedAgain: 0, restarts: 0, kills: 0, peakRssMib: 0 };
  const verdicts = new Map<Verdict, number>();
  const caches = new Map<string, number>();
  const [wrong, hung]: [string[], string[]] = [[], []];
  const startedAtMs = performance.now();

  function note({ verdict, why, cache, askedAgain }: Judged, number: number): void {
    counts.askedAgain += askedAgain;
    count(verdicts, verdict);
    count(caches, cache);
    if (verdict === 'wrong') wrong.push(`#${number}: ${why}`);
    if (verdict === 'hung') hung.push(`#${number}: ${why}`);
    if (verdict === 'wrong' || verdict === 'hung') progress(`${verdict} #${number}: ${why}`);
  }

  /** A worker: one download after the other, or several of one file at once, until this life's share is done. */
  async function work(life: Life, share: number): Promise<void> {
    while (counts.downloads < share) {
      const number = counts.downloads + 1;
      const random = createRandom(seed, 'client', number);
      const together = Math.min(random.chance(0.15) ? random.int(2, 5) : 1, share - counts.downloads);
      counts.downloads += together;
      const asked = { port: life.port, target: random.pick(files), deadlineMs: HUNG_MS };
      const plans = Array.from({ length: together }, (_, at) => createRandom(seed, 'client', number, at));
      for (const judged of await Promise.all(plans.map(async (plan) => askSomehow(asked, plan)))) note(judged, number);
      counts.peakRssMib = Math.max(counts.peakRssMib, process.memoryUsage.rss() / MIB);
    }
  }

  for (let number = 0; ; number += 1) {
    const random = createRandom(seed, 'life', number);
    onLife(number);
    const share = Math.min(downloads, counts.downloads + lifeDownloads);
    const isLast = share === downloads || performance.now() - startedAtMs > options.maxMs;
    const isChild = options.children && !isLast && number % 3 === 2;
    const lifeOptions: LifeOptions = {
      dir,
      upstreams: servers.map(({ url }) => url),
      stallTimeoutMs: STALL_TIMEOUT_MS,
      // The last one shall store everything.
      maxBytes: !isLast && random.chance(0.35) ? SMALL_BYTES : null,
      finishAbandoned: random.chance(0.6),
    };
    const life = await (isChild ? beginChildLife(lifeOptions) : beginLife(lifeOptions));
    const workers = Promise.all(Array.from({ length: CONCURRENCY }, async () => work(life, share)));
    // The others end while answers are running: it is that which has to go well.
    await (isLast ? workers : until(() => counts.downloads >= share));
    if (isLast) return { life, counts: { ...counts, verdicts, wrong, hung, caches } };
    const how = random.chance(0.5) ? 'gently' : 'at once';
    await life.end(how);
    await workers;
    counts.restarts += 1;
    if (isChild && how === 'at once') counts.kills += 1;
    await loseBlobs(dir, random);
    for (const server of servers) server.forget();
    progress(
      `${counts.downloads} downloads, ${counts.restarts} restarts, ${Math.round(counts.peakRssMib)} MiB at most`,
    );
  }
}

/** Asks for every file until it comes right: by itself, in time. @returns how many did */
async function heal(life: Life, files: readonly ChaosFile[], progress: ChaosOptions['progress']): Promise<number> {
  const deadlineAtMs = performance.now() + HEAL_MS;
  let healed = 0;
  const queue = files.values();
  const worker = async (): Promise<void> => {
    for (const target of queue) {
      let isRight = false;
      let last = 'never asked';
      while (!isRight && performance.now() < deadlineAtMs) {
        const { verdict, why, cache } = await askWhole({ port: life.port, target, deadlineMs: HEAL_MS });
        // Stored, too: without that it may come right by luck.
        isRight = verdict === 'right' && cache === 'HIT';
        last = `${verdict} ${cache} ${why}`;
        if (!isRight) await sleep(20);
      }
      if (isRight) healed += 1;
      else progress(`not healed: ${target.image.uuid}, ${target.file.size} bytes: ${last}`);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  return healed;
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await sleep(5);
}

/** Descriptors before the run, after a mirror has lived once: what a process opens only the first time is no leak. */
async function settledDescriptors(base: string): Promise<number> {
  const first = await beginLife({
    dir: path.join(base, 'first'),
    upstreams: ['http://127.0.0.1:9'],
    stallTimeoutMs: STALL_TIMEOUT_MS,
    maxBytes: null,
    finishAbandoned: true,
  });
  await first.end('at once');
  return openDescriptors();
}

async function descriptorsAbove(before: number): Promise<number> {
  const deadlineAtMs = performance.now() + DESCRIPTORS_SETTLE_MS;
  while (openDescriptors() > before && performance.now() < deadlineAtMs) await sleep(20);
  return Math.max(0, openDescriptors() - before);
}

function count<K>(counts: Map<K, number>, key: K): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
