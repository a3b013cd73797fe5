/**
 * `npm run chaos [-- --downloads N] [--seed S] [--minutes M]`: many randomized downloads through hostile upstreams, and what came of
 * them. Exits 1 if a response ended cleanly with wrong bytes, one hung, something leaked, or something did not heal. Linux only.
 */
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { formatReport, isSound } from './report.ts';

const { values } = parseArgs({
  options: {
    downloads: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '20' },
  },
});
const [downloads, seed, minutes] = [values.downloads, values.seed, values.minutes].map(Number);
if (downloads === undefined || seed === undefined || minutes === undefined || !(downloads > 0 && minutes > 0)) {
  process.stderr.write('usage: npm run chaos -- [--downloads N] [--seed S] [--minutes M]\n');
  process.exit(2);
}
if (!Number.isInteger(downloads) || !Number.isInteger(seed)) {
  process.stderr.write('--downloads and --seed are whole numbers\n');
  process.exit(2);
}
const startedAtMs = performance.now();
const report = await runChaos({
  downloads,
  seed,
  maxMs: minutes * 60_000,
  lifeDownloads: 100,
  children: true,
  progress: (text) => process.stderr.write(`${text}\n`),
});
const seconds = Math.round((performance.now() - startedAtMs) / 1000);
process.stdout.write(`${formatReport(report)}\nseed ${seed}, ${seconds} s, node ${process.version}\n`);
process.exitCode = isSound(report) ? 0 : 1;
