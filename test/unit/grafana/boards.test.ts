import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { boardText, createBoards } from '../../../grafana/boards.ts';
import type { Gauges } from '../../../src/metrics/gauge-sources.ts';
import { registerGauges } from '../../../src/metrics/gauges.ts';
import { createMetrics } from '../../../src/metrics/metrics.ts';

const FOLDER = new URL('../../../grafana/dashboards/', import.meta.url);
/** Prometheus itself makes it, one for each target. */
const OF_THE_SCRAPE = 'up';
/** Of prom-client: those that read /proc, or are registered on Linux alone (lib/metrics/*.js). */
const LINUX_ONLY = new Set([
  'process_open_fds',
  'process_max_fds',
  'process_virtual_memory_bytes',
  'process_heap_bytes',
]);
/** Labels that every scraped series has. */
const OF_THE_TARGET = new Set(['instance', 'job']);

interface Query {
  readonly expr: string;
  readonly legend: string;
}

const boards = createBoards();
const labelsOf = declaredLabels();

test('the files of the boards are what the boards say', () => {
  const files = readdirSync(FOLDER).toSorted();
  assert.deepEqual(files, boards.map(({ name }) => `${name}.json`).toSorted());
  for (const board of boards) {
    const current = readFileSync(new URL(`${board.name}.json`, FOLDER), 'utf8');
    assert.ok(current === boardText(board), `grafana/dashboards/${board.name}.json is stale; run \`npm run docs\``);
  }
});

test('links to boards hold for ever: their uids are these', () => {
  assert.deepEqual(
    boards.map(({ dashboard }) => dashboard.uid),
    ['imgapi-mirror-overview', 'imgapi-mirror-upstreams', 'imgapi-mirror-storage', 'imgapi-mirror-process'],
  );
});

for (const { name, dashboard } of boards) {
  const panels = panelsOf(dashboard.panels);

  test(`${name}: every panel has a title of its own, a unit and a description of one line`, () => {
    for (const { title, description, fieldConfig } of panels) {
      assert.match(description ?? '', /^[A-Z][^\n]{20,160}\.$/, `description of ${title}`);
      assert.ok(fieldConfig?.defaults?.unit, `unit of ${title}`);
    }
    const titles = panels.map(({ title }) => title);
    assert.deepEqual(titles, [...new Set(titles)]);
  });

  test(`${name}: no id is there twice, and rows of panels are as wide as the board`, () => {
    const ids = (dashboard.panels ?? []).map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const widths = Map.groupBy(panels, ({ gridPos }) => gridPos?.y);
    for (const [y, row] of widths) {
      const width = row.reduce((total, { gridPos }) => total + (gridPos?.w ?? 0), 0);
      assert.equal(width, 24, `row at ${y}: ${row.map(({ title }) => title).join(', ')}`);
    }
  });

  test(`${name}: every metric and label it asks for exists`, () => {
    for (const panel of panels) {
      assert.ok(queriesOf(panel).length > 0, panel.title);
      for (const { expr, legend } of queriesOf(panel)) {
        const metrics = metricsIn(expr);
        assert.ok(metrics.length > 0, `${panel.title}: ${expr}`);
        for (const metric of metrics) {
          assert.ok(labelsOf.has(metric), `${panel.title} asks for ${metric}, which is no metric`);
        }
        const known = new Set(metrics.flatMap((metric) => labelsOf.get(metric) ?? []));
        for (const label of labelsIn(expr, legend)) {
          assert.ok(known.has(label) || OF_THE_TARGET.has(label), `${panel.title} asks for label ${label}`);
        }
      }
    }
  });

  test(`${name}: no panel is empty where there is no Linux`, () => {
    for (const panel of panels) {
      const queries = queriesOf(panel);
      const everywhere = queries.filter(({ expr }) => metricsIn(expr).every((metric) => !LINUX_ONLY.has(metric)));
      assert.ok(everywhere.length > 0, panel.title);
    }
  });

  test(`${name}: every variable is used, nothing else is left to be filled in, and the chosen source is asked`, () => {
    const variables = (dashboard.templating?.list ?? []).map((variable) => variable.name);
    const expressions = panels.flatMap((panel) => queriesOf(panel).map(({ expr }) => expr));
    const used = new Set(expressions.flatMap((expr) => [...expr.matchAll(/\$\w+/g)].map(([text]) => text)));
    for (const variable of variables.filter((other) => other !== 'datasource')) {
      assert.ok(used.has(`$${variable}`), `nothing uses $${variable}`);
    }
    const filled = new Set([...variables.map((variable) => `$${variable}`), '$__rate_interval', '$__range']);
    assert.deepEqual(
      [...used].filter((text) => !filled.has(text)),
      [],
    );
    // Of other mirrors, or of other programs, nothing is shown.
    for (const expr of expressions) {
      const selectors = expr.match(/\w+\{/g)?.length ?? 0;
      assert.equal(expr.split('instance=~"$instance"').length - 1, selectors, expr);
    }
    for (const { title, datasource } of panels) assert.equal(datasource?.uid, '${datasource}', title);
  });
}

function panelsOf(all: unknown): readonly Panel[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- rows and panels alone are on a board, and rows hold none here
  return ((all ?? []) as readonly Panel[]).filter(({ type }) => type !== 'row');
}

function queriesOf({ targets }: Panel): readonly Query[] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all queries are Prometheus's
  const queries = (targets ?? []) as readonly { expr?: string; legendFormat?: string }[];
  return queries.map(({ expr = '', legendFormat = '' }) => ({ expr, legend: legendFormat }));
}

/** Every selector of a series has braces, as the test of instances demands. */
function metricsIn(expr: string): readonly string[] {
  return [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{/g)].map(([, name = '']) => name);
}

function labelsIn(expr: string, legend: string): readonly string[] {
  const matched = [...expr.matchAll(/(\w+)(?:=~|!=|!~|=)"/g)].map(([, name = '']) => name);
  const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(', '));
  const shown = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name);
  return [...matched, ...grouped, ...shown];
}

/** What a scrape can have: the names of all series, with the labels of each. */
function declaredLabels(): ReadonlyMap<string, readonly string[]> {
  const { registry } = createMetrics({ version: '0.0.0', nodeVersion: '24.0.0', upstreams: ['up0'] });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the rooms are read at a scrape, and there is none
  registerGauges(registry, {} as Gauges);
  const labels = new Map<string, readonly string[]>([[OF_THE_SCRAPE, []]]);
  for (const { name, type } of registry.getMetricsAsArray()) {
    const metric: unknown = registry.getSingleMetric(name);
    const own = typeof metric === 'object' && metric !== null && 'labelNames' in metric ? metric.labelNames : [];
    const names = Array.isArray(own) ? own.map(String) : [];
    // prom-client says `histogram` or its number, as declared.
    if (String(type) === 'histogram') {
      labels.set(`${name}_bucket`, [...names, 'le']);
      labels.set(`${name}_sum`, names);
      labels.set(`${name}_count`, names);
    } else {
      labels.set(name, names);
    }
  }
  return labels;
}
