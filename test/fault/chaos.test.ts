import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runChaos } from '../chaos/chaos.ts';
import { formatReport, isSound } from '../chaos/report.ts';
import { createRandom } from '../chaos/random.ts';

function numbers(...about: readonly (string | number)[]): number[] {
  const random = createRandom(...about);
  return Array.from({ length: 8 }, () => random.int(0, 1_000_000));
}

test('a short chaos run ends nothing wrongly, hangs nowhere, leaks nothing, and heals', async (t) => {
  const report = await runChaos({
    downloads: 150,
    seed: 3,
    maxMs: Infinity,
    lifeDownloads: 50,
    children: false,
    progress: () => {},
  });
  t.diagnostic(formatReport(report).replaceAll('\n', '; '));
  assert.ok(isSound(report), formatReport(report));
  assert.equal(report.downloads, 150);
  assert.equal(report.restarts, 2);
  // A run in which nothing happens proves nothing.
  assert.ok(report.faults.size >= 10, formatReport(report));
  assert.ok(
    [...report.faults.keys()].some((name) => name.startsWith('every range')),
    formatReport(report),
  );
  assert.ok((report.verdicts.get('right') ?? 0) >= 50, formatReport(report));
});

test('the plan of a chaos run follows from its seed', () => {
  assert.deepEqual(numbers(1, 'client', 7), numbers(1, 'client', 7));
  assert.notDeepEqual(numbers(1, 'client', 7), numbers(2, 'client', 7));
  assert.notDeepEqual(numbers(1, 'client', 7), numbers(1, 'client', 8));
});
