import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { metricsDocument } from '../../../docs/metrics-document.ts';
import { runbooksPage } from '../../../docs/runbooks-page.ts';
import { alertRules } from '../../support/alert-rules.ts';

const rules = alertRules();

function fileText(name: string): string {
  return readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
}

test('every alert says what is wrong, how bad it is, and where to read what to do', () => {
  assert.ok(rules.length >= 15);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, labels, annotations } of rules) {
    assert.match(alert, /^ImgapiMirror[A-Z]/);
    assert.match(labels['severity'] ?? '', /^(critical|warning)$/);
    assert.deepEqual(Object.keys(annotations).toSorted(), ['description', 'runbook_url', 'summary']);
    assert.match(annotations['summary'] ?? '', /\{\{ \$labels\.instance \}\}/);
    assert.match(annotations['description'] ?? '', /\.$/);
    assert.equal(
      annotations['runbook_url'],
      `{{ $externalURL }}/user/imgapi-mirror-runbooks.html#${alert.toLowerCase()}`,
    );
  }
});

test('every runbook is there: a heading of docs/operations.md for each alert', () => {
  const text = fileText('docs/operations.md');
  const headings = new Set(
    [...text.matchAll(/^#{2,4} (.+?)\s*$/gm)].map(([, heading = '']) => heading.replaceAll('`', '')),
  );
  assert.deepEqual(
    rules.filter(({ alert }) => !headings.has(alert)).map(({ alert }) => alert),
    [],
  );
});

test('the page of the runbooks is what docs/operations.md says (npm run docs)', () => {
  const page = fileText('config/prometheus/assets/imgapi-mirror-runbooks.html');
  assert.ok(page === runbooksPage(fileText('docs/operations.md')), 'it is stale; run `npm run docs`');
  assert.doesNotMatch(page, /```|\]\(|<p>[^<]*`/);
});

test('the page of the runbooks has the part on alerts alone, and no link that leads nowhere', () => {
  const alerts =
    '### One\n\nA `<b>`, as in [two](#two) & [three](three.md).\n\n```sh run\na > b\n```\n\n### Two\n\nNo.\n';
  const page = runbooksPage(`# Operations\n\n## Before\n\nx\n\n## Alerts\n\nSome.\n\n${alerts}`);
  const [, head = '', body = ''] = /alert<\/h1>\n<p>([^]*?)<\/p>\n([^]*)\n<\/body>/.exec(page) ?? [];
  assert.match(head, /docs\/operations\.md/);
  assert.match(head, /docker compose exec mirror imgapi-mirror/);
  assert.deepEqual(body.split('\n'), [
    '<h2 id="one">One</h2>',
    '<p>A <code>&lt;b&gt;</code>, as in <a href="#two">two</a> &amp; three.</p>',
    '<pre><code>a &gt; b</code></pre>',
    '<h2 id="two">Two</h2>',
    '<p>No.</p>',
  ]);
  for (const other of ['| a | b |', '* a', '1. a', '```sh\na\n\nb\n```']) {
    assert.throws(() => runbooksPage(`\n## Alerts\n\n### One\n\n${other}\n`), /does not know what this is/);
  }
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
