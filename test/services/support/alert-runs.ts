/** Runs alert rules against their cases, as Prometheus's own promtool evaluates them: any number of rules at once. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AlertRule } from '../../support/alert-rules.ts';
import type { AlertCases, FiringCase, SilentCase } from './alert-cases.ts';
import { tryCommand } from './run-command.ts';

/** One rule, shipped or changed, and what it is held to. */
export interface AlertRun {
  readonly rule: AlertRule;
  /** The rule whose texts must come out. */
  readonly shipped: AlertRule;
  readonly cases: AlertCases;
}

interface Target {
  readonly job: string;
  readonly instance?: string;
  readonly site?: string;
}

/** Two mirrors with the same fate, so that each must have its own alert; `site` is a label that an operator has given them. */
const TARGETS: readonly Target[] = [
  { job: 'imgapi-mirror', instance: 'one:8080', site: 'here' },
  { job: 'imgapi-mirror', instance: 'two:8080', site: 'there' },
];
const EXTERNAL_URL = 'http://prometheus.example:9090';
const NO_TARGET: readonly Target[] = [{ job: 'imgapi-mirror' }];
/** The same rule without texts, for the times at which nobody has written down its value. */
const BARE = 'Bare';
/** Many files take a while; what they leave behind is not worth collecting. */
const OF_MANY = { deadlineMs: 120_000, env: { GOGC: '400' } };
const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Of each run, in their order, whether all its cases came out as they should; `why`: what promtool says of those that did not. */
export async function runAlerts(
  dir: string,
  runs: readonly AlertRun[],
): Promise<{ readonly passed: readonly boolean[]; readonly why: string }> {
  const files = await Promise.all(runs.map(async (run, nth) => writeRun(join(dir, String(nth)), run)));
  // A process tests any number of them, one after the other; there are two because it is slow work for one.
  const half = Math.ceil(files.length / 2);
  const halves = [files.slice(0, half), files.slice(half)].filter((some) => some.length > 0);
  const said = await Promise.all(
    halves.map(async (some) => tryCommand('promtool', ['test', 'rules', ...some], OF_MANY)),
  );
  // Of one that was killed nothing could be told.
  assert.ok(said.every(({ code }) => code !== null));
  // What it prints is the name of each, and SUCCESS below it.
  const found = said.flatMap(({ out }) => [...out.matchAll(/^Unit Testing: +(.+)\n +SUCCESS$/gm)]);
  const succeeded = new Set(found.map(([, file]) => file));
  return { passed: files.map((file) => succeeded.has(file)), why: said.map(({ err }) => err).join('') };
}

/** Those of the runs in which nothing is found. Each case, short ones first, is tried on those alone that the others have let through. */
export async function undetected<Run extends AlertRun>(dir: string, runs: readonly Run[]): Promise<readonly Run[]> {
  let left = runs.map((run) => {
    const { step, cases } = run.cases;
    return { ...run, cases: { step, cases: cases.toSorted((a, b) => seconds(end(a)) - seconds(end(b))) } };
  });
  const most = Math.max(...runs.map(({ cases }) => cases.cases.length));
  for (let nth = 0; nth < most; nth++) {
    const asked = left.filter(({ cases }) => nth < cases.cases.length);
    const round = asked.map((run) => ({ ...run, cases: { ...run.cases, cases: run.cases.cases.slice(nth, nth + 1) } }));
    const { passed } = await runAlerts(join(dir, `case-${nth}`), round);
    const found = new Set(asked.filter((_, index) => passed[index] === false));
    left = left.filter((run) => !found.has(run));
  }
  return left;
}

async function writeRun(dir: string, { rule, shipped, cases }: AlertRun): Promise<string> {
  await mkdir(dir, { recursive: true });
  const bare = { alert: BARE, expr: rule.expr, ...(rule.for === undefined ? {} : { for: rule.for }) };
  // YAML takes JSON.
  await writeFile(join(dir, 'rules.yaml'), JSON.stringify({ groups: [{ name: 'one', rules: [rule, bare] }] }));
  const tests = cases.cases.map((one) => ({
    interval: cases.step,
    external_url: EXTERNAL_URL,
    input_series: inputSeries(one, cases.step),
    alert_rule_test: 'silentTo' in one ? silentChecks(one, cases.step) : firingChecks(one, cases.step, shipped),
  }));
  const file = join(dir, 'tests.yaml');
  await writeFile(file, JSON.stringify({ rule_files: ['rules.yaml'], evaluation_interval: cases.step, tests }));
  return file;
}

/** All series of all mirrors; one that names a job of its own belongs to none of them. */
function inputSeries(one: FiringCase | SilentCase, step: string): object[] {
  const steps = String(seconds(end(one)) / seconds(step) + 2);
  return Object.entries(one.series).flatMap(([name, notation]) => {
    const values = notation.replaceAll('END', steps);
    if (name.includes('job=')) return [{ series: name, values }];
    return TARGETS.map((target) => ({ series: withLabels(name, target), values }));
  });
}

/** When it is last looked at, but for two steps. */
function end(one: FiringCase | SilentCase): string {
  return 'silentTo' in one ? one.silentTo : (one.to ?? one.from);
}

function withLabels(series: string, target: Target): string {
  const [name = '', own = ''] = series.split(/[{}]/);
  const labels = Object.entries(target).map(([label, value]) => `${label}="${value}"`);
  return `${name}{${[...labels, own].filter((part) => part !== '').join(',')}}`;
}

function silentChecks({ silentTo }: SilentCase, step: string): object[] {
  return silent(0, seconds(silentTo), step);
}

function firingChecks(one: FiringCase, step: string, shipped: AlertRule): object[] {
  const { from, to, slack = 0 } = one;
  const stepSeconds = seconds(step);
  const firing = (target: Target): object => ({ exp_labels: { ...target, ...one.labels } });
  const targets = one.isTargetless === true ? NO_TARGET : TARGETS;
  const full = targets.map((target) => {
    const labels: Readonly<Record<string, string>> = { ...target, ...one.labels };
    return { exp_labels: { ...labels, ...shipped.labels }, exp_annotations: texts(shipped, labels, one.value) };
  });
  const after = to === undefined ? [] : silent(seconds(to) + 2 * stepSeconds, seconds(to) + 2 * stepSeconds, step);
  return [
    ...silent(0, seconds(from) - (1 + slack) * stepSeconds, step),
    ...everyStep(seconds(from), seconds(to ?? from), step, targets.map(firing)),
    check(shipped.alert, seconds(from), full),
    ...after,
  ];
}

function silent(fromSeconds: number, toSeconds: number, step: string): object[] {
  return everyStep(fromSeconds, toSeconds, step, []);
}

/** At both and between. */
function everyStep(fromSeconds: number, toSeconds: number, step: string, alerts: readonly object[]): object[] {
  const stepSeconds = seconds(step);
  const steps = Math.floor((toSeconds - fromSeconds) / stepSeconds) + 1;
  return Array.from({ length: Math.max(0, steps) }, (_, nth) => check(BARE, fromSeconds + nth * stepSeconds, alerts));
}

function check(alert: string, atSeconds: number, alerts: readonly object[]): object {
  return { alertname: alert, eval_time: `${atSeconds}s`, exp_alerts: alerts };
}

/** As in `1h30m`. */
function seconds(duration: string): number {
  assert.match(duration, /^(\d+[hms])+$/);
  const parts = [...duration.matchAll(/(\d+)([hms])/g)];
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (SECONDS_OF[unit] ?? Number.NaN), 0);
}

/** The rule's texts as they must come out. */
function texts(
  rule: AlertRule,
  labels: Readonly<Record<string, string>>,
  value = '(no value is given in the case)',
): Record<string, string> {
  const filled = (text: string): string =>
    text
      .replaceAll('{{ $externalURL }}', EXTERNAL_URL)
      .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '')
      .replaceAll(/\{\{ \$value( \| \w+)? \}\}/g, value);
  return Object.fromEntries(Object.entries(rule.annotations).map(([name, text]) => [name, filled(text)]));
}
