import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCaptureLog } from '../../support/capture-log.ts';
import { loadSharedCatalog } from '../../support/shared-data.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { until } from '../../support/wait-for.ts';

test('a temporary directory is gone after its test', async (t) => {
  let path = '';
  await t.test('inner', async (inner) => {
    path = await makeTempDir(inner);
    await writeFile(join(path, 'file'), 'x');
  });
  assert.notEqual(path, '');
  assert.equal(existsSync(path), false);
});

test('until gives the first truthy value, and takes asserts', async () => {
  let calls = 0;
  const value = await until(
    () => {
      calls += 1;
      assert.ok(calls > 2);
      return calls;
    },
    { everyMs: 1 },
  );
  assert.equal(value, 3);
});

test('until says what it waited for and what it last saw', async () => {
  await assert.rejects(
    until(() => false, { deadlineMs: 5, everyMs: 1, what: 'rain' }),
    {
      message: 'waited 5 ms for: rain\nthe last check gave false',
    },
  );
  const failure = new Error('no cloud');
  await assert.rejects(
    until(() => Promise.reject(failure), { deadlineMs: 5, everyMs: 1, what: 'rain' }),
    { cause: failure, message: /threw Error: no cloud/ },
  );
});

test('a captured log keeps its lines by level and message', () => {
  const log = createCaptureLog();
  log.warn({ uuid: 'u' }, 'dropped an entry');
  log.info({}, 'listening');
  assert.deepEqual(log.linesOf('warn'), [{ level: 'warn', fields: { uuid: 'u' }, message: 'dropped an entry' }]);
  assert.equal(log.linesOf(/listen/).length, 1);
  log.clear();
  assert.equal(log.lines.length, 0);
});

test('a shared catalog is an array of entries', async (t) => {
  const entries = await loadSharedCatalog(t, 'images-and-updates-sample-2026.json');
  if (entries === undefined) return;
  assert.equal(entries.length, 10);
});
