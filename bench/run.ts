/**
 * `npm run bench [-- PART...]`: measures the mirror against the bounds it is built to, all parts or the named ones. Each part's figures
 * go to bench/results/<part>-<time>.json, and a table of all is printed. Exits 1 if something could not be measured or if bytes were
 * wrong; figures over their bound are marked and change nothing: they depend on the machine. Linux only (it reads /proc).
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bandwidth } from './bandwidth.ts';
import { bundle } from './bundle.ts';
import { followers } from './followers.ts';
import { herd } from './herd.ts';
import { hit } from './hit.ts';
import { lists } from './lists.ts';
import { page } from './page.ts';
import { scrape } from './scrape.ts';
import { start } from './start.ts';
import type { BenchPart } from './support/bench.ts';
import { formatTable, verdictOf, type Figure } from './support/figures.ts';
import { measuredCode } from './support/mirror.ts';

/** In the order they run: the one that leaves most to be written to the disk comes last. */
const PARTS: ReadonlyMap<string, BenchPart> = new Map(
  Object.entries({ herd, followers, lists, page, scrape, start, bandwidth, bundle, hit }),
);
/** The slowest part, bundles, takes half of this on a busy machine. */
const PART_MS = 900_000;
const RESULTS_DIR = fileURLToPath(new URL('results/', import.meta.url));

async function runPart(name: string, part: BenchPart, interrupted: AbortSignal): Promise<readonly Figure[]> {
  const [load = 0] = loadavg();
  const dir = await mkdtemp(path.join(tmpdir(), `imgapi-mirror-bench-${name}-`));
  try {
    const figures = await part({
      dir,
      signal: AbortSignal.any([interrupted, AbortSignal.timeout(PART_MS)]),
      progress: (text) => console.error(`${name}: ${text}`),
    });
    await save(name, figures, load);
    return figures;
  } finally {
    await rm(dir, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function save(name: string, figures: readonly Figure[], loadBefore: number): Promise<void> {
  const at = new Date().toISOString();
  const result = {
    name,
    at,
    node: process.version,
    code: measuredCode(),
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    loadBefore,
    figures: figures.map((figure) => ({ ...figure, verdict: verdictOf(figure) || undefined })),
  };
  await mkdir(RESULTS_DIR, { recursive: true });
  // Colons are not for file names everywhere.
  const file = path.join(RESULTS_DIR, `${name}-${at.replaceAll(':', '')}.json`);
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !PARTS.has(name));
  if (unknown.length > 0) {
    console.error(`no such part: ${unknown.join(', ')}; there are ${[...PARTS.keys()].join(', ')}`);
    return 2;
  }
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => interrupt.abort(new Error(`interrupted by ${signal}`)));
  }
  const [loadBefore = 0] = loadavg();
  const measured = new Map<string, readonly Figure[]>();
  let hasFailed = false;
  for (const [name, part] of PARTS) {
    if (names.length > 0 && !names.includes(name)) continue;
    if (interrupt.signal.aborted) break;
    try {
      measured.set(name, await runPart(name, part, interrupt.signal));
    } catch (error) {
      hasFailed = true;
      console.error(`${name}: could not be measured:`, error);
    }
  }
  if (measured.size > 0) console.log(`\n${formatTable(measured)}`);
  // A busy machine makes every figure worse: the load says how far to trust them.
  const load = loadBefore.toFixed(1);
  console.log(
    `\nnode ${process.version}, ${availableParallelism()} cores, load ${load} before, code in ${measuredCode()}/`,
  );
  return hasFailed ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
