/** Issue 5, item 3: every alert fires when it should and not when it should not, as Prometheus itself evaluates it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { alertRules, RULES_FILE, type AlertRule } from '../support/alert-rules.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { ALERT_CASES, type AlertCase, type FiringCase } from './support/alert-cases.ts';
import { hasNeeds } from './support/need.ts';
import { runCommand, tryCommand } from './support/run-command.ts';

const TARGET = { job: 'imgapi-mirror', instance: 'mirror:8080' };

/** One test of promtool's; without `firing` the alert must not fire. */
function ruleTest(rule: AlertRule, { series, at }: AlertCase, firing?: FiringCase): object {
  const labels = { ...TARGET, ...firing?.labels };
  const expected = {
    exp_labels: { ...labels, ...rule.labels },
    exp_annotations: annotations(rule, labels, firing?.value),
  };
  return {
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: withTarget(name), values })),
    alert_rule_test: [{ alertname: rule.alert, eval_time: at, exp_alerts: firing === undefined ? [] : [expected] }],
  };
}

function withTarget(series: string): string {
  const [name = '', own = ''] = series.split(/[{}]/);
  const target = Object.entries(TARGET).map(([label, value]) => `${label}="${value}"`);
  return `${name}{${[...target, own].filter((part) => part !== '').join(',')}}`;
}

/** Its texts as they must come out. */
function annotations(
  rule: AlertRule,
  labels: Readonly<Record<string, string>>,
  value = '(no value is given in the case)',
): Record<string, string> {
  const filled = (text: string): string =>
    text
      .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '')
      .replaceAll(/\{\{ \$value( \| \w+)? \}\}/g, value);
  return Object.fromEntries(Object.entries(rule.annotations).map(([name, text]) => [name, filled(text)]));
}

/** Runs promtool on tests of the shipped rules. */
async function runRuleTests(dir: string, tests: readonly object[]): ReturnType<typeof tryCommand> {
  const file = join(dir, 'alerts.test.yaml');
  await writeFile(file, stringify({ rule_files: [RULES_FILE], evaluation_interval: '1m', tests }));
  return tryCommand('promtool', ['test', 'rules', file]);
}

test('every alert fires in the cases it is for, with the right texts, and stays silent in those beside them', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const rules = alertRules();
  assert.deepEqual(Object.keys(ALERT_CASES).toSorted(), rules.map(({ alert }) => alert).toSorted());
  const tests = rules.flatMap((rule) => {
    const { fires = [], silent = [] } = ALERT_CASES[rule.alert] ?? {};
    assert.ok(fires.length > 0 && silent.length > 0, rule.alert);
    return fires.map((firing) => ruleTest(rule, firing, firing)).concat(silent.map((quiet) => ruleTest(rule, quiet)));
  });
  const { code, out, err } = await runRuleTests(await makeTempDir(t), tests);
  assert.equal(code, 0, out + err);
});

test('an alert that fires where none is expected is found, and one that does not where it is expected', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const rule = alertRules().find(({ alert }) => alert === 'ImgapiMirrorReloadFailed');
  const [firing] = ALERT_CASES['ImgapiMirrorReloadFailed']?.fires ?? [];
  const [quiet] = ALERT_CASES['ImgapiMirrorReloadFailed']?.silent ?? [];
  assert.ok(rule && firing && quiet);
  const dir = await makeTempDir(t);
  assert.notEqual((await runRuleTests(dir, [ruleTest(rule, firing)])).code, 0);
  assert.notEqual((await runRuleTests(dir, [ruleTest(rule, quiet, { ...quiet })])).code, 0);
});

test('promtool has nothing to say about the rules and the example of how to scrape', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const config = fileURLToPath(new URL('../../config/prometheus/prometheus.yaml', import.meta.url));
  await runCommand('promtool', ['check', 'config', '--lint=all', '--lint-fatal', config]);
});
