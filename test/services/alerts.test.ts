/** Issue 5, item 3: every alert fires when it should and not when it should not, as Prometheus itself evaluates it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { alertRules } from '../support/alert-rules.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { ALERT_CASES } from './support/alert-cases.ts';
import { mutantsOf } from './support/alert-mutants.ts';
import { runAlerts, undetected, type AlertRun } from './support/alert-runs.ts';
import { hasNeeds } from './support/need.ts';
import { runCommand } from './support/run-command.ts';

const NO_CASES = { step: '1m', cases: [] };

/** Every shipped rule with what it is held to. */
function shippedRuns(): readonly AlertRun[] {
  return alertRules().map((rule) => ({ rule, shipped: rule, cases: ALERT_CASES[rule.alert] ?? NO_CASES }));
}

test('every alert fires in the cases it is for, at the right time and with the right texts, and in no other', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const runs = shippedRuns();
  assert.deepEqual(Object.keys(ALERT_CASES).toSorted(), runs.map(({ rule }) => rule.alert).toSorted());
  for (const { rule, cases } of runs) {
    const silent = cases.cases.filter((one) => 'silentTo' in one).length;
    assert.ok(silent > 0 && silent < cases.cases.length, rule.alert);
  }
  const { passed, why } = await runAlerts(await makeTempDir(t), runs);
  const failed = runs.filter((_, nth) => passed[nth] === false).map(({ rule }) => rule.alert);
  assert.deepEqual(failed, [], why);
});

test('a rule that is wrong in any one place is found by its cases', { timeout: 180_000 }, async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const runs = shippedRuns().flatMap(({ shipped, cases }) =>
    mutantsOf(shipped).map(({ rule, what }) => ({ rule, what, shipped, cases })),
  );
  assert.ok(runs.length > 300, `${runs.length} mutants`);
  const left = await undetected(await makeTempDir(t), runs);
  assert.deepEqual(
    left.map(({ rule, what }) => `${rule.alert}: ${what}`),
    [],
  );
});

test('promtool has nothing to say about the rules and the example of how to scrape', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const config = fileURLToPath(new URL('../../config/prometheus/prometheus.yaml', import.meta.url));
  await runCommand('promtool', ['check', 'config', '--lint=all', '--lint-fatal', config]);
});
