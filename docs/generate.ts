/**
 * Writes docs/configuration.md from the configuration's schema, docs/commands.md from the commands, docs/metrics.md from the metrics,
 * the page of the runbooks from docs/operations.md, and grafana/dashboards from the boards. `node docs/generate.ts` writes them; with `--check` it fails when a file is not what it would write.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isSection, listKeys, type ConfigKey } from '../src/config/keys.ts';
import { NOT_YET } from '../src/config/not-yet.ts';
import type { KeySchema } from '../src/config/schema-kinds.ts';
import { LIVE_KEYS } from '../src/config/reload.ts';
import { CONFIG_KEYS } from '../src/config/schema.ts';
import { commandsDocument } from './commands-document.ts';
import { metricsDocument } from './metrics-document.ts';
import { runbooksPage } from './runbooks-page.ts';
import { boardText, createBoards } from '../grafana/boards.ts';

const INTRODUCTION = `<!-- Written by docs/generate.ts (npm run docs) from src/config/schema.ts. Change that, not this. -->

# Configuration

Everything has a default; \`imgapi-mirror serve\` runs without any configuration. What differs from the defaults comes from, each overriding the one before:

1. a YAML file, \`--config FILE\` or \`IMGAPI_MIRROR_CONFIG=FILE\` (\`config/imgapi-mirror.yaml\` shows every key with its default),
2. environment variables: \`cache.maxBytes\` is \`IMGAPI_MIRROR_CACHE_MAX_BYTES\`; lists and mappings are YAML text; an empty variable counts as not set,
3. flags: \`--upstream [NAME=]URL\` (repeatable, replaces the whole list), \`--cache-dir\`, \`--host\`, \`--port\`, \`--log-level\`.

\`imgapi-mirror config check\` says what is wrong with all of it, one line per problem, and exits 2; \`imgapi-mirror config print\` shows the result, with secrets masked. Unknown keys and unknown \`IMGAPI_MIRROR_*\` variables are refused.

* **Sizes** need a unit: \`B\`, \`KiB\`, \`MiB\`, \`GiB\`, \`TiB\` (powers of 1024). **Times**: \`ms\`, \`s\`, \`m\`, \`h\`, \`d\`. **Rates** are a size per second: \`5MiB\` or \`5MiB/s\`. Fractions such as \`1.5GiB\` are fine, bare numbers are not; only \`0\` needs no unit.
* **Relative paths** are relative to the working directory of the process, wherever the file is.
* A list in a file, a variable or flags replaces the list of the source before it; lists are not merged.
* **SIGHUP** reads file, environment and certificates again. These keys are applied by a running mirror: ${LIVE_KEYS.map((key) => `\`${key}\``).join(', ')}; all others need a restart, and the log names those that changed. Whatever is wrong with the new configuration changes nothing.
* A key marked *not available yet* is agreed on but not built: it is accepted at its default and refused at any other value.
`;

/** The text of docs/configuration.md. */
export function configurationDocument(): string {
  const sections = new Map<string, ConfigKey[]>();
  for (const key of listKeys()) {
    const name = key.name.split(/[.[]/, 1)[0] ?? '';
    sections.set(name, [...(sections.get(name) ?? []), key]);
  }
  const parts = [...sections].map(([name, keys]) => {
    const about = CONFIG_KEYS.properties?.[name]?.description ?? '';
    // A key at the top level needs no introduction beyond its own row.
    const introduction = keys[0]?.name === name ? '' : `${about}\n\n`;
    const rows = keys.map(
      (key) => `| ${[`\`${key.name}\``, kindOf(key), defaultOf(key), effectOf(key)].join(' | ')} |`,
    );
    return `## ${name}\n\n${introduction}| key | what it takes | default | what it does |\n|---|---|---|---|\n${rows.join('\n')}\n`;
  });
  return [INTRODUCTION, ...parts].join('\n');
}

function kindOf({ schema, isNullable }: ConfigKey): string {
  return `${kindOfSchema(schema)}${isNullable ? ', or null' : ''}`;
}

function kindOfSchema(schema: KeySchema): string {
  if (isSection(schema)) return 'mapping of the keys below';
  if (schema.items !== undefined) return isSection(schema.items) ? 'list of the keys below' : 'list of text';
  if (schema.unit !== undefined) {
    const { atLeast, atMost, orZero } = schema;
    const bounds = [atLeast && `at least ${atLeast}`, atMost && `at most ${atMost}`, orZero && 'or 0'];
    return [schema.unit, ...bounds].filter(Boolean).join(', ');
  }
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${word}\``).join(', ');
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'boolean') return 'true, false';
  return schema.type === 'object' ? 'mapping of text' : 'text';
}

function defaultOf({ schema, isNullable }: ConfigKey): string {
  if (isNullable) return '`null`';
  if (schema.derived !== undefined) return schema.derived;
  if (schema.default === undefined) return 'required';
  return `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``;
}

function effectOf({ name, description, variable }: ConfigKey): string {
  const notYet = NOT_YET.find(({ key }) => key === name || name.startsWith(`${key}[`) || name.startsWith(`${key}.`));
  const marks = [
    notYet === undefined
      ? ''
      : `*Not available yet${notYet.values === undefined ? '' : `: ${notYet.values.join(', ')}`}.*`,
    variable === undefined ? '' : `\`${variable}\``,
  ];
  return [description, ...marks]
    .filter((part) => part !== '')
    .join(' ')
    .replaceAll('|', '\\|');
}

async function main(args: readonly string[]): Promise<number> {
  const documents = [
    { name: 'configuration.md', source: 'src/config/schema.ts', text: configurationDocument() },
    { name: 'commands.md', source: 'src/cli/commands.ts', text: commandsDocument() },
    { name: 'metrics.md', source: 'src/metrics/', text: await metricsDocument() },
    {
      name: '../config/prometheus/assets/imgapi-mirror-runbooks.html',
      source: 'docs/operations.md',
      text: runbooksPage(currentText('operations.md')),
    },
    ...createBoards().map((board) => ({
      name: `../grafana/dashboards/${board.name}.json`,
      source: 'grafana/boards/',
      text: boardText(board),
    })),
  ];
  if (!args.includes('--check')) {
    for (const { name, text } of documents) writeFileSync(new URL(name, import.meta.url), text);
    return 0;
  }
  const stale = documents.filter(({ name, text }) => text !== currentText(name));
  for (const { name, source } of stale)
    console.error(`${path.join('docs', name)} is not what ${source} says; run \`npm run docs\``);
  return stale.length === 0 ? 0 : 1;
}

function currentText(name: string): string {
  try {
    return readFileSync(new URL(name, import.meta.url), 'utf8');
  } catch {
    // A file that cannot be read is as stale as one that is not there.
    return '';
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
