import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { commandsDocument } from '../../../docs/commands-document.ts';
import { COMMANDS } from '../../../src/cli/commands.ts';
import { PRODUCT } from '../../../src/config/product.ts';

test('docs/commands.md is what the commands say (npm run docs)', () => {
  const current = readFileSync(new URL('../../../docs/commands.md', import.meta.url), 'utf8');
  assert.ok(current === commandsDocument(), 'docs/commands.md is stale; run `npm run docs`');
});

test('it has every command with an example that begins with its name, and nothing that changes by itself', () => {
  const text = commandsDocument();
  for (const { name, example } of COMMANDS) {
    assert.ok(text.includes(`\n## ${name}\n`), name);
    assert.match(example, new RegExp(`imgapi-mirror ${name}\\b`));
    assert.ok(text.includes(`Example: ${example}`));
  }
  assert.ok(!text.includes(PRODUCT.version));
});
