import assert from 'node:assert/strict';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { hasNeeds } from './support/need.ts';
import { runCommand, tryCommand } from './support/run-command.ts';

const CONFIG = fileURLToPath(new URL('../../config/prometheus/prometheus.compose.yaml', import.meta.url));
const TOP = fileURLToPath(new URL('../../', import.meta.url));

test('Prometheus would start with what compose.yaml gives it', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const { code, out, err } = await tryCommand('promtool', ['check', 'config', CONFIG]);
  assert.equal(code, 0, out + err);
  assert.match(out, /rules found/);
});

test('the variables that compose.yaml gives the mirror, or shows how to give, are keys of its configuration', async () => {
  const text = await readFile(join(TOP, 'compose.yaml'), 'utf8');
  const names = Array.from(text.matchAll(/^ {6}(?:# )?(IMGAPI_MIRROR_\w+): /gm), ([, name = '']) => name);
  assert.ok(names.includes('IMGAPI_MIRROR_ADMIN_TOKEN'));
  const env = Object.fromEntries(names.map((name) => [name, name.endsWith('_FORMAT') ? 'json' : 'a-token']));
  const loaded = loadConfig({ env, flags: {} });
  assert.ok(loaded.ok);
  assert.equal(loaded.config.admin.token, 'a-token');
});

test('docker-compose reads compose.yaml, and finds in the checkout what it mounts', async (t) => {
  if (!hasNeeds(t, { tools: { 'docker-compose': 'docker-compose' } })) return;
  // Debian 12 has its first version, to which a project's name at the top is unknown.
  const text = (await readFile(join(TOP, 'compose.yaml'), 'utf8')).replace(/^name: .*$/m, '');
  const args = ['--project-directory', TOP, '--file', '-', 'config'];
  const { services }: Resolved = parse(await runCommand('docker-compose', args, { input: text }));
  assert.deepEqual(Object.keys(services).toSorted(), ['grafana', 'mirror', 'prometheus']);
  const mounted = Object.values(services).flatMap(({ volumes }) => volumes.filter((volume) => volume.startsWith('/')));
  assert.equal(mounted.length, 4);
  for (const volume of mounted) await access(volume.slice(0, volume.indexOf(':')));
});

interface Resolved {
  readonly services: Readonly<Record<string, { readonly volumes: readonly string[] }>>;
}
