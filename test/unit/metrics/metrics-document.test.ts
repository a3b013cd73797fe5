import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { metricsDocument } from '../../../docs/metrics-document.ts';
import { PRODUCT } from '../../../src/config/product.ts';

test('docs/metrics.md is what the metrics say (npm run docs)', async () => {
  const current = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
  assert.ok(current === (await metricsDocument()), 'docs/metrics.md is stale; run `npm run docs`');
});

test('each metric has type, unit, labels with their values and a meaning, and nothing changes by itself', async () => {
  const text = await metricsDocument();
  const rows = text.split('\n').filter((line) => line.startsWith('| `'));
  assert.ok(rows.length > 50);
  for (const row of rows) {
    const [, name, type, unit, , meaning, end] = row.split(/(?<!\\)\|/).map((cell) => cell.trim());
    assert.match(name ?? '', /^`imgapi_mirror_[a-z_]+`$/);
    assert.match(type ?? '', /^(counter|gauge|histogram)$/);
    assert.match(unit ?? '', /^(count|state|bytes|bytes per second|seconds|seconds since 1970)$/);
    assert.match(meaning ?? '', /\S{2,}/);
    assert.equal(end, '');
  }
  const row = (name: string): string => rows.find((candidate) => candidate.includes(`\`imgapi_mirror_${name}\``)) ?? '';
  assert.match(
    row('upstream_cause_bytes_total'),
    / counter \| bytes \|.*`cause`: `demand` `prefetch` `revalidation` `resume` /,
  );
  assert.match(
    row('upstream_breaker_open'),
    / gauge \| state \| `upstream`: the name of an upstream; `kind`: `list` `file` /,
  );
  assert.match(row('file_first_byte_seconds'), / histogram \| seconds \| `result`: `hit` `miss` `join` `pass` /);
  assert.ok(!text.includes(PRODUCT.version));
});
