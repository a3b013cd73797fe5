/**
 * Bundles of 4 GB against the tools that do the least that could be done: `cat | sha1sum` for export and verify, which also
 * write the file or hash it twice, and `tee COPY | sha1sum` for import, which also syncs. All on the same bytes, from the page cache.
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
import type { Figure } from './support/figures.ts';

const IMAGES = 8;
const IMAGE_BYTES = 512 * 1024 * 1024;
const PIECE_BYTES = 1024 * 1024;
const LOG = { debug() {}, info() {}, warn: console.warn, error: console.error };

export async function bundle({ dir, signal, progress }: BenchContext): Promise<Figure[]> {
  const [from, to, file] = [path.join(dir, 'from'), path.join(dir, 'to'), path.join(dir, 'images.bundle')];
  const blobs = createBlobStore({ log: LOG }, { dir: from });
  const images = await fill(blobs, signal);
  const totalBytes = IMAGES * IMAGE_BYTES;
  progress(`${IMAGES} images of ${IMAGE_BYTES / 1024 ** 2} MiB stored`);

  const context: OperationContext = { signal, onEvent() {} };
  const monotonicNow = nowMs;
  const selection = { some: async () => ({ images, warnings: [] }) };
  const exporting = createExport({
    selection,
    blobs,
    kept: createKeptManifests({ log: LOG }, { dir: from }),
    monotonicNow,
  });
  const exported = await timed(async () => exporting.run({ selectors: ['cached'], output: file }, context));
  progress(`exported in ${exported.seconds.toFixed(1)} s`);
  const summed = await timed(async () => shell('cat "$1" | sha1sum', [file], signal));
  progress(`cat | sha1sum in ${summed.seconds.toFixed(1)} s`);
  const verified = await timed(async () => createVerify({ monotonicNow }).run({ bundle: file }, context));
  progress(`verified in ${verified.seconds.toFixed(1)} s`);

  const copy = path.join(dir, 'copy');
  const copied = await timed(async () => shell('tee "$2" <"$1" | sha1sum', [file, copy], signal));
  await rm(copy);
  progress(`tee COPY | sha1sum in ${copied.seconds.toFixed(1)} s`);
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
  const imported = await timed(async () => importing.run({ bundle: file }, context));
  progress(`imported in ${imported.seconds.toFixed(1)} s`);

  const ratio = (name: string, reference: Timed, measured: Timed): Figure => ({
    name,
    value: reference.seconds / measured.seconds,
    unit: 'x',
    decimals: 2,
    bound: { atLeast: 0.8 },
    runs: [totalBytes / 1e6 / reference.seconds, totalBytes / 1e6 / measured.seconds],
  });
  const peakBytes = Math.max(exported.grownBytes, verified.grownBytes, imported.grownBytes);
  return [
    ratio('export, against cat | sha1sum', summed, exported),
    ratio('verify, against cat | sha1sum', summed, verified),
    ratio('import, against tee COPY | sha1sum', copied, imported),
    { name: 'memory that the dearest of them adds', value: peakBytes / 1e6, unit: 'MB' },
  ];
}

interface Timed {
  readonly seconds: number;
  /** By how much the process grew at most. */
  readonly grownBytes: number;
}

async function timed(work: () => Promise<unknown>): Promise<Timed> {
  // What an earlier step has left to be written to the disk is not this one's to wait for.
  await shell('sync', [], AbortSignal.timeout(60_000));
  const before = process.memoryUsage().rss;
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 50);
  const startedMs = nowMs();
  try {
    await work();
    return { seconds: (nowMs() - startedMs) / 1000, grownBytes: most - before };
  } finally {
    clearInterval(sampler);
  }
}

async function shell(script: string, args: readonly string[], signal: AbortSignal): Promise<void> {
  const child = spawn('sh', ['-c', script, 'sh', ...args], { signal, stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
}

/** Bytes that no file system can make short work of; made twice, as a blob must be named before it is written. */
function* noiseOf(image: number): Generator<Buffer> {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, image + 1), Buffer.alloc(16));
  const zeros = Buffer.alloc(PIECE_BYTES);
  for (let at = 0; at < IMAGE_BYTES; at += PIECE_BYTES) yield cipher.update(zeros);
}

async function fill(blobs: DiskBlobStore, signal: AbortSignal): Promise<{ manifest: Manifest; upstream: string }[]> {
  const images = [];
  for (let image = 0; image < IMAGES; image += 1) {
    const hashes = { sha1: createHash('sha1'), md5: createHash('md5'), sha256: createHash('sha256') };
    for (const piece of noiseOf(image)) for (const hash of Object.values(hashes)) hash.update(piece);
    signal.throwIfAborted();
    const sha1 = hashes.sha1.digest('hex');
    if (!isSha1Hex(sha1)) throw new TypeError(sha1);
    const partial = await blobs.createPartial(sha1);
    for (const piece of noiseOf(image)) await partial.handle.write(piece);
    await partial.commit({
      sha1,
      size: IMAGE_BYTES,
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
      files: [{ sha1, size: IMAGE_BYTES, compression: 'gzip' }],
    });
    if (!parsed.ok) throw new TypeError(parsed.problem);
    images.push({ manifest: parsed.manifest, upstream: 'bench' });
  }
  return images;
}
