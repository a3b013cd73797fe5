import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { metricsDocument } from '../../../docs/metrics-document.ts';
import { alertRules } from '../../support/alert-rules.ts';

const rules = alertRules();

test('every alert says what is wrong, how bad it is, and where to read what to do', () => {
  assert.ok(rules.length >= 15);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^ImgapiMirror[A-Z]/);
    assert.match(labels['severity'] ?? '', /^(critical|warning)$/);
    assert.deepEqual(Object.keys(annotations).toSorted(), ['description', 'runbook_url', 'summary']);
    assert.match(annotations['summary'] ?? '', /\{\{ \$labels\.instance \}\}/);
    assert.match(annotations['description'] ?? '', /\.$/);
    assert.equal(annotations['runbook_url'], `docs/operations.md#${alert.toLowerCase()}`);
  }
});

test('every runbook is there: a heading of docs/operations.md for each alert', () => {
  const text = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
  const headings = new Set(
    [...text.matchAll(/^#{2,4} (.+?)\s*$/gm)].map(([, heading = '']) => heading.replaceAll('`', '')),
  );
  assert.deepEqual(
    rules.filter(({ alert }) => !headings.has(alert)).map(({ alert }) => alert),
    [],
  );
});

test('alerts ask for metrics and labels that there are', async () => {
  const document = await metricsDocument();
  for (const { alert, expr } of rules) {
    for (const [, name = '', matchers = ''] of expr.matchAll(/\b(imgapi_mirror_\w+)(?:\{([^}]*)\})?/g)) {
      const row = document.split('\n').find((line) => line.startsWith(`| \`${name.replace(/_(bucket|count)$/, '')}\``));
      assert.ok(row !== undefined, `${alert} asks for ${name}`);
      for (const [, label, values = ''] of matchers.matchAll(/(\w+)[!=]~?"([^"]*)"/g)) {
        const told = new RegExp(`\`${label}\`: ([^;|]*)`).exec(row)?.[1] ?? '';
        for (const value of values.split('|'))
          assert.ok(told.includes(`\`${value}\``), `${alert}: ${name}{${label}="${value}"}`);
      }
    }
  }
});
