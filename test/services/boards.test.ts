/** What the boards say of mirrors in given states, as Prometheus itself evaluates their expressions. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { createBoards } from '../../grafana/boards.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { BOARD_CASES, type BoardCase } from './support/board-cases.ts';
import { hasNeeds } from './support/need.ts';
import { tryCommand } from './support/run-command.ts';

/** As Grafana fills them in for these choices: values of a choice of many as a regular expression. */
const VARIABLES = [
  ['$__rate_interval', '5m'],
  ['$__range', '1h'],
  ['$job', '(imgapi-mirror|other\\\\.mirrors)'],
  ['$instance', '(a|b|host\\\\.example)'],
  ['$upstream', '(x|y-1\\\\.example|z)'],
] as const;

/** What Grafana sends of it. */
function filled(expr: string): string {
  return VARIABLES.reduce((text, [variable, value]) => text.replaceAll(variable, value), expr);
}

/** The expression of a panel's line. */
function expressionOf({ board, panel, legend }: BoardCase): string {
  const { dashboard } = createBoards().find(({ name }) => name === board) ?? assert.fail(board);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- rows and panels alone are on a board, all of Prometheus's queries
  const panels = (dashboard.panels ?? []) as readonly { title?: string; targets?: readonly Target[] }[];
  const targets = panels.find(({ title }) => title === panel)?.targets ?? assert.fail(`${board} has no ${panel}`);
  const { expr } = targets.find(({ legendFormat }) => legendFormat === legend) ?? assert.fail(`${panel}: ${legend}`);
  return filled(expr);
}

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
}

/** 1 by the labels of each value that is no number. */
function ofNaN(expr: string): string {
  return `((${expr}) != (${expr})) ^ 0`;
}

/** Runs promtool on them: one value a minute, looked at after ten hours. */
async function runCases(dir: string, cases: readonly BoardCase[]): ReturnType<typeof tryCommand> {
  const tests = cases.map((one) => ({
    interval: '1m',
    input_series: Object.entries(one.series).map(([series, values]) => ({ series, values })),
    promql_expr_test: [
      {
        // To promtool NaN is not the NaN it expects; nor is it to itself.
        expr: one.isOfNaN === true ? ofNaN(expressionOf(one)) : expressionOf(one),
        eval_time: '10h',
        exp_samples: Object.entries(one.shows).map(([labels, value]) => ({ labels, value })),
      },
    ],
  }));
  const file = join(dir, 'boards.test.yaml');
  await writeFile(file, stringify({ evaluation_interval: '1m', tests }));
  return tryCommand('promtool', ['test', 'rules', file]);
}

test('the boards say what is the matter, of the mirrors that were chosen and of nothing else', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const { code, out, err } = await runCases(await makeTempDir(t), BOARD_CASES);
  assert.equal(code, 0, out + err);
});

test('a board that says something else is found', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const dir = await makeTempDir(t);
  for (const one of BOARD_CASES) {
    const shows = { ...one.shows, '{job="none"}': 1 };
    assert.notEqual((await runCases(dir, [{ ...one, shows }])).code, 0, `${one.panel}: ${one.says}`);
  }
});

test('the choices of mirrors and upstreams are what there is, of mirrors that are down too', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const dir = await makeTempDir(t);
  const variables = createBoards().flatMap(({ dashboard }) => dashboard.templating?.list ?? []);
  const asked = new Map<string, string>();
  for (const { name, query } of variables) {
    const text = typeof query === 'object' && typeof query['query'] === 'string' ? query['query'] : '';
    const [, expr] = /^(?:query_result\((.*)\)|label_values\((.*), upstream\))$/.exec(text)?.filter(Boolean) ?? [];
    if (expr !== undefined) asked.set(name, filled(expr));
  }
  const series = {
    // Down since the third hour.
    'imgapi_mirror_build_info{job="imgapi-mirror",instance="a",version="1.0.0",node="24"}': '1+0x180',
    'imgapi_mirror_build_info{job="imgapi-mirror",instance="b",version="1.0.0",node="24"}': '1+0x600',
    'up{job="node",instance="a"}': '1+0x600',
    'imgapi_mirror_upstream_up{job="imgapi-mirror",instance="b",upstream="x"}': '1+0x600',
    'imgapi_mirror_upstream_up{job="imgapi-mirror",instance="z",upstream="w"}': '1+0x600',
  };
  const expected = {
    job: ['{job="imgapi-mirror"}'],
    instance: ['{instance="a"}', '{instance="b"}'],
    upstream: ['imgapi_mirror_upstream_up{job="imgapi-mirror",instance="b",upstream="x"}'],
  };
  const tests = Object.entries(expected).map(([name, labels]) => ({
    interval: '1m',
    input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
    promql_expr_test: [
      {
        expr: asked.get(name) ?? assert.fail(name),
        eval_time: '10h',
        exp_samples: labels.map((one) => ({ labels: one, value: 1 })),
      },
    ],
  }));
  const file = join(dir, 'variables.test.yaml');
  await writeFile(file, stringify({ evaluation_interval: '1m', tests }));
  const { code, out, err } = await tryCommand('promtool', ['test', 'rules', file]);
  assert.equal(code, 0, out + err);
});

test('every expression of every board is one that Prometheus can read', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const expressions = createBoards().flatMap((board) =>
    [...JSON.stringify(board.dashboard).matchAll(/"expr":("(?:[^"\\]|\\.)*")/g)].map(([, text = '']) =>
      String(JSON.parse(text)),
    ),
  );
  assert.ok(expressions.length > 100, String(expressions.length));
  const rules = expressions.map((expr, at) => ({ record: `line:${at}`, expr: filled(expr) }));
  const file = join(await makeTempDir(t), 'rules.yaml');
  await writeFile(file, stringify({ groups: [{ name: 'boards', rules }] }));
  const { code, out, err } = await tryCommand('promtool', ['check', 'rules', '--lint=none', file]);
  assert.equal(code, 0, out + err);
});
