import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hasNeeds } from './support/need.ts';
import { runCommand, tryCommand } from './support/run-command.ts';

const CONFIG = fileURLToPath(new URL('../../config/prometheus/prometheus.compose.yaml', import.meta.url));
const COMPOSE = fileURLToPath(new URL('../../compose.yaml', import.meta.url));

test('Prometheus would start with what compose.yaml gives it', async (t) => {
  if (!hasNeeds(t, { tools: { promtool: 'prometheus' } })) return;
  const { code, out, err } = await tryCommand('promtool', ['check', 'config', CONFIG]);
  assert.equal(code, 0, out + err);
  assert.match(out, /rules found/);
});

test('docker compose takes compose.yaml, where there is one', async (t) => {
  const version = await tryCommand('docker', ['compose', 'version']).catch(() => undefined);
  if (version?.code !== 0) {
    t.skip('there is no docker compose here; test/unit/compose looks at the file all the same');
    return;
  }
  await runCommand('docker', ['compose', '--file', COMPOSE, 'config', '--quiet']);
});
