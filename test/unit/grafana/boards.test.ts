import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { MappingType, SpecialValueMatch, type Panel } from '@grafana/grafana-foundation-sdk/dashboard';
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
/** Of a series of other programs at least one of them differs, though it may be of the same host. */
const CHOSEN = ['job=~"$job"', 'instance=~"$instance"'];
/** Words of PromQL that are no names of series. Functions are known by their parentheses. */
const WORDS = new Set(['or', 'and', 'unless', 'bool', 'Inf']);
/** A label list: of an aggregation, or of what two sides of an operator have in common. */
const LABEL_LIST = /\b(by|without|on|ignoring|group_left|group_right) \(([^)]*)\)/g;

interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** What is looked at here of a panel that shows single numbers. */
interface Stat {
  readonly reduceOptions?: { readonly calcs?: readonly string[] };
  readonly textMode?: string;
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
    for (const { title, datasource } of panels) assert.equal(datasource?.uid, '${datasource}', title);
  });

  test(`${name}: of other mirrors and other programs nothing is shown`, () => {
    for (const expr of panels.flatMap((panel) => queriesOf(panel).map((query) => query.expr))) {
      assert.deepEqual(strangersIn(expr), [], expr);
    }
  });

  test(`${name}: where a value that is no number has a word, Grafana is told to look at it`, () => {
    for (const { title, fieldConfig, options } of panels.filter(({ type }) => type === 'stat')) {
      const hasWord = fieldConfig?.defaults?.mappings?.some(
        (one) => one.type === MappingType.SpecialValue && one.options.match === SpecialValueMatch.NotANumber,
      );
      assert.deepEqual(statOf(options).reduceOptions?.calcs, [hasWord === true ? 'last' : 'lastNotNull'], title);
    }
  });

  test(`${name}: what a number is of is said where there is one alone, too`, () => {
    for (const panel of panels.filter(({ type }) => type === 'stat')) {
      const isNamed = queriesOf(panel).some(({ legend }) => legend.includes('{{'));
      assert.equal(statOf(panel.options).textMode, isNamed ? 'value_and_name' : 'value', panel.title);
    }
  });

  test(`${name}: links of panels lead to other boards, with the time and what was chosen`, () => {
    const others = new Set(boards.filter((other) => other.name !== name).map(({ dashboard: { uid } }) => uid));
    for (const { url = '' } of panels.flatMap(({ links }) => links ?? [])) {
      const [, uid, query] = /^\/d\/([\w-]+)\?(.*)$/.exec(url) ?? [];
      assert.ok(others.has(uid), url);
      assert.equal(query, '${__url_time_range}&${__all_variables}');
    }
  });

  test(`${name}: mirrors are chosen among jobs, upstreams among those of mirrors, and what is down stays to be chosen`, () => {
    const queries = new Map(
      (dashboard.templating?.list ?? []).map((variable) => [variable.name, JSON.stringify(variable.query ?? '')]),
    );
    const expected = [
      ['datasource', 'prometheus'],
      ['job', { query: mirrorsOf('imgapi_mirror_build_info', 'job'), refId: 'values' }],
      ['instance', { query: mirrorsOf('imgapi_mirror_build_info{job=~"$job"}', 'instance'), refId: 'values' }],
      [
        'upstream',
        { query: `label_values(imgapi_mirror_upstream_up{${CHOSEN.join(', ')}}, upstream)`, refId: 'values' },
      ],
    ] as const;
    for (const [variable, query] of expected) {
      if (variable === 'upstream' && !queries.has(variable)) continue;
      assert.equal(queries.get(variable), JSON.stringify(query));
    }
  });
}

test('every metric of a mirror is on a board', () => {
  const shown = new Set(
    boards
      .flatMap(({ dashboard }) => panelsOf(dashboard.panels))
      .flatMap((panel) => queriesOf(panel).flatMap(({ expr }) => metricsIn(expr).map(familyOf))),
  );
  const own = [...labelsOf.keys()].filter((metric) => metric.startsWith('imgapi_mirror_')).map(familyOf);
  assert.deepEqual(
    [...new Set(own)].filter((metric) => !shown.has(metric)),
    [],
  );
});

test('a series of other programs in an expression would be found', () => {
  const mine = `up{${CHOSEN.join(', ')}}`;
  assert.deepEqual(
    strangersIn(`sum by (job, le) (rate(${mine}[5m])) / on (job, instance) group_left () ${mine} > 0`),
    [],
  );
  for (const [expr, ...strangers] of [
    [`up / ${mine}`, 'up'],
    [`sum(rate(up[5m])) or vector(0)`, 'up'],
    ['up{instance=~"$instance"}', 'up{instance=~"$instance"}'],
    ['up{job=~"$job", instance="a"}', 'up{job=~"$job", instance="a"}'],
    ['{job="node"}', '{job="node"}'],
    [`${mine} / on (instance) ${mine}`, 'on (instance)'],
    [`${mine} / ignoring (kind) ${mine}`, 'ignoring (kind)'],
  ] as const) {
    assert.deepEqual(strangersIn(expr), strangers);
  }
});

/** What of an expression is not kept to the mirrors chosen: series, and joins that may mix mirrors. */
function strangersIn(expr: string): readonly string[] {
  const selectors = [...expr.matchAll(/[\w:]*\{[^}]*\}/g)].map(([selector]) => selector);
  const lists = [...expr.matchAll(LABEL_LIST)];
  const rest = expr.replaceAll(/[\w:]*\{[^}]*\}|\[[^\]]*\]/g, '').replaceAll(LABEL_LIST, '');
  const names = [...rest.matchAll(/\b[a-zA-Z_:][\w:]*\b(?!\s*\()/g)].map(([name]) => name);
  return [
    ...selectors.filter((selector) => !CHOSEN.every((matcher) => selector.includes(matcher))),
    ...names.filter((name) => !WORDS.has(name)),
    ...lists.filter(isMixing).map(([text]) => text),
  ];
}

/** A list that says what both sides of an operator have in common, without saying that it is the mirror. */
function isMixing([, word = '', labels = '']: readonly string[]): boolean {
  return word === 'ignoring' || (word === 'on' && !/^job, instance\b/.test(labels));
}

/** The query for a label's values among the mirrors of the last week. */
function mirrorsOf(series: string, label: string): string {
  return `query_result(group by (${label}) (last_over_time(${series}[7d])))`;
}

/** Of a histogram's series, its name. */
function familyOf(metric: string): string {
  return metric.replace(/_(bucket|sum|count)$/, '');
}

function statOf(options: unknown): Stat {
  return options ?? {};
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

/** Every selector of a series has braces, as the test of strangers demands. */
function metricsIn(expr: string): readonly string[] {
  return [...expr.matchAll(/([a-zA-Z_:][\w:]*)\{/g)].map(([, name = '']) => name);
}

function labelsIn(expr: string, legend: string): readonly string[] {
  const matched = [...expr.matchAll(/(\w+)(?:=~|!=|!~|=)"/g)].map(([, name = '']) => name);
  const grouped = [...expr.matchAll(LABEL_LIST)].flatMap(([, , names = '']) => names.split(', ').filter(Boolean));
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
