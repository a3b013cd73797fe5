/**
 * Bundles of 4 GB against the tools that do the least that could be done: `cat | sha1sum` for export and verify, which also write the
 * file or hash it twice, and `tee COPY | sha1sum` for import, which also hashes it three times. Both verbs that write end by syncing,
 * which those do not; so they are measured against `tee COPY | sha1sum; sync COPY` too. All on the same bytes, from the page cache where
 * it holds them, in turns.
 */
import { spawn } from 'node:child_process';
import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { createSpaceKeeper } from '../src/blobs/reservation.ts';
import { createBlobStore, type DiskBlobStore } from '../src/blobs/store.ts';
import { isSha1Hex } from '../src/imgapi/ids.ts';
import { parseManifest, type Manifest } from '../src/imgapi/manifest.ts';
import { createExport } from '../src/operations/export.ts';
import { createImport } from '../src/operations/import.ts';
import type { OperationContext } from '../src/operations/operation.ts';
import { createVerify } from '../src/operations/verify.ts';
import { createKeptManifests } from '../src/records/kept-manifests.ts';
import type { BenchContext } from './support/bench.ts';
import { nowMs } from './support/clock.ts';
import { median, type Figure } from './support/figures.ts';

/** How much is measured, and how often. */
export interface BundleBench {
  readonly images: number;
  readonly imageBytes: number;
  readonly rounds: number;
}

const FULL: BundleBench = { images: 8, imageBytes: 512 * 1024 * 1024, rounds: 3 };
const PIECE_BYTES = 1024 * 1024;
const LOG = { debug() {}, info() {}, warn: console.warn, error: console.error };

export async function bundle(context: BenchContext): Promise<Figure[]> {
  return measureBundles(context, FULL);
}

/** The median of each figure over all rounds. */
async function measureBundles(context: BenchContext, size: BundleBench): Promise<Figure[]> {
  const { dir, signal, progress } = context;
  const blobs = createBlobStore({ log: LOG }, { dir: path.join(dir, 'from') });
  const images = await fill(blobs, size, signal);
  progress(`${size.images} images of ${size.imageBytes / 1024 ** 2} MiB stored`);
  const rounds: Round[] = [];
  for (let round = 1; round <= size.rounds; round += 1) {
    const times = await measureRound(context, blobs, images);
    rounds.push(times);
    const shown = Object.entries(times).map(([name, { seconds }]) => `${name} ${seconds.toFixed(1)} s`);
    progress(`round ${round}: ${shown.join(', ')}`);
  }
  const totalBytes = size.images * size.imageBytes;
  const rateOf = ({ seconds }: Timed): number => totalBytes / 1e6 / seconds;
  const ratio = (name: string, reference: (round: Round) => number, verb: Verb, atLeast?: number): Figure => ({
    name,
    value: median(rounds.map((round) => reference(round) / round[verb].seconds)),
    unit: 'x',
    decimals: 2,
    ...(atLeast === undefined ? {} : { bound: { atLeast } }),
    runs: rounds.map((round) => reference(round) / round[verb].seconds),
  });
  const cpu = (verb: Verb, reference: 'cat' | 'tee'): Figure => {
    const runs = rounds.map((round) => round[verb].cpuSeconds / round[reference].cpuSeconds);
    return {
      name: `processor time of ${verb}, against ${reference}`,
      value: median(runs),
      unit: 'x',
      decimals: 2,
      runs,
    };
  };
  const speed = (verb: keyof Round): Figure => {
    const runs = rounds.map((round) => rateOf(round[verb]));
    return { name: verb, value: median(runs), unit: 'MB/s', runs };
  };
  const synced = ({ tee, sync }: Round): number => tee.seconds + sync.seconds;
  const grown = rounds.flatMap((round) => VERBS.map((verb) => round[verb].grownBytes));
  return [
    ratio('export, against cat | sha1sum', ({ cat }) => cat.seconds, 'export', 0.8),
    ratio('verify, against cat | sha1sum', ({ cat }) => cat.seconds, 'verify', 0.8),
    ratio('import, against tee COPY | sha1sum', ({ tee }) => tee.seconds, 'import', 0.8),
    ratio('export, against tee COPY | sha1sum; sync COPY', synced, 'export'),
    ratio('import, against tee COPY | sha1sum; sync COPY', synced, 'import'),
    // On a machine that others use too, these tell more than the clock.
    cpu('export', 'cat'),
    cpu('verify', 'cat'),
    cpu('import', 'tee'),
    ...(['cat', 'tee', ...VERBS] as const).map(speed),
    {
      name: 'memory that the dearest of them adds',
      value: Math.max(...grown) / 1e6,
      unit: 'MB',
      bound: { below: 100 },
    },
  ];
}

const VERBS = ['export', 'verify', 'import'] as const;
type Verb = (typeof VERBS)[number];
/** `cat`: `cat | sha1sum`; `tee`: `tee COPY | sha1sum`, and `sync` of that copy. */
type Round = Readonly<Record<Verb | 'cat' | 'tee' | 'sync', Timed>>;

/** Everything once; what a round has written is gone after it. */
async function measureRound(
  { dir, signal }: BenchContext,
  blobs: DiskBlobStore,
  images: readonly { readonly manifest: Manifest; readonly upstream: string }[],
): Promise<Round> {
  const [to, output, copy] = [path.join(dir, 'to'), path.join(dir, 'images.bundle'), path.join(dir, 'copy')];
  const context: OperationContext = { signal, onEvent() {} };
  const monotonicNow = nowMs;
  const selection = { some: async () => ({ images, warnings: [] }) };
  const kept = createKeptManifests({ log: LOG }, { dir: path.join(dir, 'from') });
  const exporting = createExport({ selection, blobs, kept, monotonicNow });
  const importing = createImport({
    blobs: createBlobStore({ log: LOG }, { dir: to }),
    kept: createKeptManifests({ log: LOG }, { dir: to }),
    space: createSpaceKeeper({ usedBytes: () => 0 }, { dir, maxBytes: null, minFreeBytes: 0 }),
    remembered: () => undefined,
    onImported: async () => undefined,
    log: LOG,
    now: Date.now,
    monotonicNow,
  });
  await warm(path.join(dir, 'from'), signal);
  const exported = await timed(async () => exporting.run({ selectors: ['cached'], output }, context));
  const cat = await timed(async () => shell('cat "$1" | sha1sum', [output], signal));
  const verified = await timed(async () => createVerify({ monotonicNow }).run({ bundle: output }, context));
  const tee = await timed(async () => shell('tee "$2" <"$1" | sha1sum', [output, copy], signal));
  const sync = await timed(async () => shell('sync "$1"', [copy], signal), false);
  await rm(copy);
  const imported = await timed(async () => importing.run({ bundle: output }, context));
  await Promise.all([to, output, `${output}.sha256`].map(async (each) => rm(each, { recursive: true })));
  return { export: exported, cat, verify: verified, tee, sync, import: imported };
}

interface Timed {
  readonly seconds: number;
  /** Of this process, or of the commands it waited for. */
  readonly cpuSeconds: number;
  /** By how much the process grew at most. */
  readonly grownBytes: number;
}

/** With `settles`, what earlier steps have left to be written to the disk is not this one's to wait for. */
async function timed(work: () => Promise<unknown>, settles = true): Promise<Timed> {
  if (settles) await shell('sync', [], AbortSignal.timeout(60_000));
  const before = process.memoryUsage().rss;
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 50);
  const startedMs = nowMs();
  const startedCpu = process.cpuUsage();
  try {
    const ofChildren = await work();
    const seconds = (nowMs() - startedMs) / 1000;
    const { user, system } = process.cpuUsage(startedCpu);
    const cpuSeconds = typeof ofChildren === 'number' ? ofChildren : (user + system) / 1e6;
    return { seconds, cpuSeconds, grownBytes: most - before };
  } finally {
    clearInterval(sampler);
  }
}

/** Processor seconds that the script's commands took. */
async function shell(script: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  const child = spawn('sh', ['-c', `${script} || exit 1; times`, 'sh', ...args], {
    signal,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
  // The last line is user and system time of the children: `0m1.25s 0m0.50s`.
  const spent = [...(out.trimEnd().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return spent.reduce((sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds), 0);
}

/** What does not fit into memory beside the rest would be read from the disk, by whoever is measured first. */
async function warm(dir: string, signal: AbortSignal): Promise<void> {
  await shell('find "$1" -type f -exec cat {} + >/dev/null', [dir], signal);
}

/** Bytes that no file system can make short work of; made twice, as a blob must be named before it is written. */
function* noiseOf(image: number, imageBytes: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, image + 1), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE_BYTES);
  for (let at = 0; at < imageBytes; at += PIECE_BYTES) yield cipher.update(zeros);
}

async function fill(
  blobs: DiskBlobStore,
  { images: count, imageBytes }: BundleBench,
  signal: AbortSignal,
): Promise<{ manifest: Manifest; upstream: string }[]> {
  const images = [];
  for (let image = 0; image < count; image += 1) {
    const hashes = { sha1: createHash('sha1'), md5: createHash('md5'), sha256: createHash('sha256') };
    for (const piece of noiseOf(image, imageBytes)) for (const hash of Object.values(hashes)) hash.update(piece);
    signal.throwIfAborted();
    const sha1 = hashes.sha1.digest('hex');
    if (!isSha1Hex(sha1)) throw new TypeError(sha1);
    const partial = await blobs.createPartial(sha1);
    for (const piece of noiseOf(image, imageBytes)) await partial.handle.write(piece);
    await partial.commit({
      sha1,
      size: imageBytes,
      md5: hashes.md5.digest('base64'),
      sha256: hashes.sha256.digest('hex'),
      source: 'bench',
      arrivedAt: new Date().toISOString(),
    });
    await partial.handle.close();
    const parsed = parseManifest({
      v: 2,
      uuid: `${String(image).padStart(8, '0')}-1111-4111-8111-111111111111`,
      name: 'noise',
      version: '1',
      published_at: '2026-01-01T00:00:00Z',
      files: [{ sha1, size: imageBytes, compression: 'gzip' }],
    });
    if (!parsed.ok) throw new TypeError(parsed.problem);
    images.push({ manifest: parsed.manifest, upstream: 'bench' });
  }
  return images;
}
