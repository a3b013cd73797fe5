/**
 * Issue 5, item 4: a real Prometheus scrapes real mirrors through a scripted day. For this run the rules' windows are as
 * long as the day and their `for:` a two-hundredth or 4 s; the true ones are tested in alerts.test.ts.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { alertRules, rulesFile, type RulesFile } from '../support/alert-rules.ts';
import { until } from '../support/wait-for.ts';
import { hasNeeds } from './support/need.ts';
import { startPrometheus, type Prometheus } from './support/prometheus.ts';
import { prepareDay } from './support/scripted-day.ts';

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
    'ImgapiMirrorServerErrors',
    'ImgapiMirrorUpstreamDown',
    'ImgapiMirrorWrongBytes',
  ],
  small: ['ImgapiMirrorEvictionThrash', 'ImgapiMirrorNoRoom'],
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

interface Panel {
  readonly title: string;
  readonly expr: string;
}

/** What every panel of every board asks for, with the variables filled in. */
function panelsOf(node: unknown, title = ''): Panel[] {
  if (typeof node !== 'object' || node === null) return [];
  const name = 'title' in node && typeof node.title === 'string' ? node.title : title;
  const inner = Object.values(node).flatMap((each) => panelsOf(each, name));
  if (!('expr' in node) || typeof node.expr !== 'string') return inner;
  const filled = node.expr
    .replaceAll(/\$__(rate_interval|range|interval)\b/g, DAY)
    .replaceAll(/\$(instance|upstream)\b/g, '.*');
  return [{ title: name, expr: filled }, ...inner];
}

/** What has fired since a `performance.now()`. */
async function firedSince(prometheus: Prometheus, startedAtMs: number): Promise<string[]> {
  const windowMs = Math.ceil(performance.now() - startedAtMs);
  const fired = await prometheus.query(`max_over_time(ALERTS{alertstate="firing"}[${windowMs}ms])`);
  return [...new Set(fired.map(({ labels }) => `${labels['instance']} ${labels['alertname']}`))].toSorted();
}

test(
  'a scripted day fires the alerts it should and no others, and every panel has something to show',
  { timeout: 90_000 },
  async (t) => {
    if (!hasNeeds(t, { tools: { prometheus: 'prometheus' } })) return;
    const day = await prepareDay(t);
    const prometheus = await startPrometheus(t, { targets: day.targets, rules: shortened(rulesFile()) });
    // Counters must have been seen at rest before they count: an increase is a difference. Until then the mirrors are missing.
    const startedAtMs = await until(
      async () => {
        const scraped = await prometheus.query('count_over_time(up[1m]) >= 2 and up == 1');
        const pending = await prometheus.query('ALERTS');
        return scraped.length === 2 && pending.length === 0 && performance.now();
      },
      { deadlineMs: 30_000, everyMs: 200, what: 'both mirrors are scraped, and nothing is wrong' },
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

    await t.test('every panel of every board has data', async () => {
      const boards = readdirSync(DASHBOARDS).filter((name) => name.endsWith('.json'));
      assert.ok(boards.length >= 4, boards.join());
      for (const board of boards) {
        const panels = panelsOf(JSON.parse(readFileSync(new URL(board, DASHBOARDS), 'utf8')));
        assert.ok(panels.length > 5, board);
        for (const { title, expr } of panels) {
          assert.doesNotMatch(expr, /\$/, `${board}, ${title}: a variable that this test does not know`);
          const samples = await prometheus.query(expr);
          assert.ok(
            samples.some(({ value }) => !Number.isNaN(value)),
            `${board}, ${title}: ${expr} gives ${JSON.stringify(samples)}`,
          );
        }
      }
    });

    await t.test('no other alert has fired', async () => {
      const others = (await firedSince(prometheus, startedAtMs)).filter(
        (alert) => !OF_THE_MACHINE.some((name) => alert.endsWith(name)),
      );
      assert.deepEqual(others, expected.toSorted());
    });
  },
);
