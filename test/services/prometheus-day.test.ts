/**
 * Issue 5, item 4: a real Prometheus scrapes real mirrors through a scripted day. For this run the rules' windows are as
 * long as the day and their `for:` a two-hundredth or 4 s; the true ones are tested in alerts.test.ts.
 * Each line of each panel is held against scripted-day-shows.ts.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { alertRules, rulesFile, type RulesFile } from '../support/alert-rules.ts';
import { until } from '../support/wait-for.ts';
import { hasNeeds } from './support/need.ts';
import { startPrometheus, type Prometheus } from './support/prometheus.ts';
import { whyNoMounts } from './support/scripted-day-mirror.ts';
import { prepareDay } from './support/scripted-day.ts';
import { judgeLines, type Line } from './support/scripted-day-lines.ts';
import { SHOWN } from './support/scripted-day-shows.ts';

/** Longer than it takes. */
const DAY = '3m';
const SHORTENED = 200;
/** Some scrapes: on a busy machine one may well come too late. */
const LEAST_MS = 4_000;
const SECONDS_OF = { m: 60, h: 3600 } as const;
const DASHBOARDS = new URL('../../grafana/dashboards/', import.meta.url);

/** What must fire, by instance. */
const EXPECTED = {
  big: [
    'ImgapiMirrorBreakerOpen',
    'ImgapiMirrorDownloadsFailing',
    'ImgapiMirrorListHeld',
    'ImgapiMirrorServerErrors',
    'ImgapiMirrorStoredBytesRotted',
    'ImgapiMirrorTrustConflict',
    'ImgapiMirrorUpstreamDown',
    'ImgapiMirrorWrongBytes',
  ],
  small: ['ImgapiMirrorEvictionThrash', 'ImgapiMirrorNoRoom'],
  full: ['ImgapiMirrorDiskNearLimit', 'ImgapiMirrorNoRoom'],
};
/** Those that a busy machine may set off. */
const OF_THE_MACHINE = ['ImgapiMirrorEventLoopLag', 'ImgapiMirrorSlowFirstByte'];

function brief(duration: string): string {
  const [, count, unit] = /^(\d+)([mh])$/.exec(duration) ?? [];
  assert.ok(unit === 'm' || unit === 'h', duration);
  return `${Math.max(LEAST_MS, Math.ceil((Number(count) * SECONDS_OF[unit] * 1000) / SHORTENED))}ms`;
}

function shortened({ groups }: RulesFile): RulesFile {
  const rules = groups.flatMap((group) =>
    group.rules.map((rule) => ({
      ...rule,
      expr: rule.expr.replaceAll(/\[\w+\]/g, `[${DAY}]`),
      ...(rule.for === undefined ? {} : { for: brief(rule.for) }),
    })),
  );
  return { groups: [{ name: 'shortened', rules }] };
}

/** Every `name{...}` of an expression by itself: what it looks at, whatever it then says of it. */
function selectorsOf(expression: string): string[] {
  const found = expression.matchAll(/\b(?:imgapi_mirror|process|nodejs)_\w+(?:\{[^}]*\})?|\bup\{[^}]*\}/g);
  return [...new Set([...found].map(([selector]) => selector))];
}

interface Query {
  readonly panel: string;
  /** Such as `{{upstream}} {{kind}}`. */
  readonly legend: string;
  readonly expr: string;
}

/** What every panel of a board asks for, with the variables filled in. */
function queriesOf(node: unknown, title = ''): Query[] {
  if (typeof node !== 'object' || node === null) return [];
  const panel = 'title' in node && typeof node.title === 'string' ? node.title : title;
  const inner = Object.values(node).flatMap((each) => queriesOf(each, panel));
  if (!('expr' in node) || typeof node.expr !== 'string') return inner;
  assert.ok('legendFormat' in node && typeof node.legendFormat === 'string', `${panel} has no legend`);
  const expr = node.expr.replaceAll(/\$__(rate_interval|range|interval)\b/g, DAY).replaceAll(/=~"\$\w+"/g, '=~".*"');
  return [{ panel, legend: node.legendFormat, expr }, ...inner];
}

/** What a panel has drawn, by the legends that Grafana makes: the most it was at any second of the day. */
async function linesOf(prometheus: Prometheus, board: string, { panel, legend, expr }: Query): Promise<Line[]> {
  assert.doesNotMatch(expr, /\$/, `${panel}: a variable that this test does not know`);
  const samples = await prometheus.query(`max_over_time(abs(${expr})[${DAY}:1s])`);
  assert.ok(samples.length > 0, `${board}: ${panel}: ${legend} shows nothing: ${expr}`);
  return samples.map(({ labels, value }) => ({
    board,
    panel,
    template: legend,
    legend: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? ''),
    most: value,
  }));
}

/** What has fired since a `performance.now()`. */
async function firedSince(prometheus: Prometheus, startedAtMs: number): Promise<string[]> {
  const windowMs = Math.ceil(performance.now() - startedAtMs);
  const fired = await prometheus.query(`max_over_time(ALERTS{alertstate="firing"}[${windowMs}ms])`);
  return [...new Set(fired.map(({ labels }) => `${labels['instance']} ${labels['alertname']}`))].toSorted();
}

test(
  'a scripted day fires the alerts it should and no others, and the boards show what it has done',
  { timeout: 150_000 },
  async (t) => {
    if (!hasNeeds(t, { tools: { prometheus: 'prometheus', unshare: 'util-linux' } })) return;
    const noMounts = whyNoMounts();
    if (noMounts !== undefined && process.env['CI'] !== 'true') {
      t.skip(`no file system of its own can be mounted for a process here: ${noMounts}`);
      return;
    }
    const day = await prepareDay(t);
    const prometheus = await startPrometheus(t, { targets: day.targets, rules: shortened(rulesFile()) });
    // Counters must have been seen at rest before they count: an increase is a difference. Until then the mirrors are missing.
    const startedAtMs = await until(
      async () => {
        const scraped = await prometheus.query('count_over_time(up[1m]) >= 2 and up == 1');
        const pending = await prometheus.query('ALERTS');
        return scraped.length === 3 && pending.length === 0 && performance.now();
      },
      { deadlineMs: 30_000, everyMs: 200, what: 'all mirrors are scraped, and nothing is wrong' },
    );
    await day.play();

    const expected = Object.entries(EXPECTED).flatMap(([instance, alerts]) =>
      alerts.map((alert) => `${instance} ${alert}`),
    );
    await until(
      async () => {
        const fired = await firedSince(prometheus, startedAtMs);
        return expected.every((alert) => fired.includes(alert)) || assert.fail(`only ${fired.join(', ')}`);
      },
      { deadlineMs: 40_000, everyMs: 500, what: `these fire: ${expected.join(', ')}` },
    );

    await t.test('every rule is evaluated, its texts come out, and all it looks at is there', async () => {
      for (const { name, health, lastError, alerts } of await prometheus.rules()) {
        assert.deepEqual([name, health, lastError], [name, 'ok', undefined]);
        for (const text of alerts.flatMap(({ annotations }) => Object.values(annotations))) {
          assert.doesNotMatch(text, /<error|<no value>|%!/, name);
        }
        for (const { annotations } of alerts) {
          const runbook = annotations['runbook_url'] ?? '';
          const page = await (await fetch(runbook)).text();
          assert.ok(page.includes(`<h2 id="${new URL(runbook).hash.slice(1)}">`), runbook);
        }
      }
      for (const { alert, expr } of alertRules()) {
        const selectors = selectorsOf(expr);
        assert.ok(selectors.length > 0, alert);
        for (const selector of selectors) {
          assert.ok(
            (await prometheus.query(selector)).length > 0,
            `${alert} looks at ${selector}, and nothing is there`,
          );
        }
      }
    });

    await t.test('every line of every panel shows what the day has done, or is zero by right', async () => {
      const boards = readdirSync(DASHBOARDS).filter((name) => name.endsWith('.json'));
      assert.ok(boards.length >= 4, boards.join());
      const lines: Line[] = [];
      for (const board of boards) {
        const queries = queriesOf(JSON.parse(readFileSync(new URL(board, DASHBOARDS), 'utf8')));
        assert.ok(queries.length > 5, board);
        for (const query of queries) lines.push(...(await linesOf(prometheus, board, query)));
      }
      assert.deepEqual(judgeLines(SHOWN, lines), []);
    });

    await t.test('no other alert has fired', async () => {
      const others = (await firedSince(prometheus, startedAtMs)).filter(
        (alert) => !OF_THE_MACHINE.some((name) => alert.endsWith(name)),
      );
      assert.deepEqual(others, expected.toSorted());
    });
  },
);
