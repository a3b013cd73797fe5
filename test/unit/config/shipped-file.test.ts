import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Check, Errors } from 'typebox/value';
import { parse } from 'yaml';
import { configurationDocument } from '../../../docs/generate.ts';
import { listKeys } from '../../../src/config/keys.ts';
import { defaultConfig, loadConfig } from '../../../src/config/load.ts';
import { toFileForm } from '../../../src/config/print.ts';
import { ConfigSchema } from '../../../src/config/schema.ts';

const path = new URL('../../../config/imgapi-mirror.yaml', import.meta.url);
const text = readFileSync(path, 'utf8');

test('the shipped file loads to exactly the defaults', () => {
  const result = loadConfig({ file: { path: 'config/imgapi-mirror.yaml', text }, env: {}, flags: {} });
  assert.deepEqual(result, { ok: true, config: defaultConfig(), warnings: [] });
});

test('the shipped file has every key, each with a value of its own', () => {
  assert.deepEqual(
    Object.keys(flatten(parse(text))).toSorted(),
    Object.keys(flatten(toFileForm(defaultConfig()))).toSorted(),
  );
  for (const { name } of listKeys()) {
    const last = name.split('.').at(-1) ?? '';
    assert.match(text, new RegExp(`\\b${last.replace('[]', '')}:`), name);
  }
});

test('every key has a description', () => {
  for (const { name, description } of listKeys()) assert.match(description, /^[A-Z][^\n]{6,}\.$/, name);
});

test('the schema is JSON Schema that other tools can use: it takes the defaults as written, and refuses unknown keys', () => {
  const written: unknown = toFileForm(defaultConfig());
  assert.deepEqual(Errors(JSON.parse(JSON.stringify(ConfigSchema)), written), []);
  assert.equal(Check(JSON.parse(JSON.stringify(ConfigSchema)), { ...Object(written), nonsense: 1 }), false);
});

test('docs/configuration.md is what the schema says (npm run docs)', () => {
  const current = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8');
  assert.ok(current === configurationDocument(), 'docs/configuration.md is stale; run `npm run docs`');
});

/** The leaves of nested mappings and lists, by path. */
function flatten(value: unknown, name = ''): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return { [name]: value };
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) => Object.entries(flatten(inner, `${name}.${key}`))),
  );
}
