import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { isImageUuid } from '../../../src/imgapi/ids.ts';
import { createPinsFile, type Pin, type PinsFile } from '../../../src/pins/pins-file.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { uuidOf } from '../../support/manifest-of.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

function pin(n: number, by: Pin['by'] = 'operator'): Pin {
  const uuid = uuidOf(n);
  assert.ok(isImageUuid(uuid));
  return { uuid, since: '2026-01-01T00:00:00.000Z', by };
}

async function bench(
  t: TestContext,
): Promise<{ file: PinsFile; path: string; log: ReturnType<typeof createCaptureLog> }> {
  const path = join(await makeTempDir(t), 'pins.json');
  const log = createCaptureLog();
  return { file: createPinsFile({ log, now: () => 42 }, { path }), path, log };
}

test('what is written is read again, one pin on a line', async (t) => {
  const { file, path } = await bench(t);
  assert.deepEqual(await file.read(), []);
  await file.write([pin(1), pin(2, 'config')]);
  assert.deepEqual(await file.read(), [pin(1), pin(2, 'config')]);
  const lines = (await readFile(path, 'utf8')).split('\n');
  assert.equal(lines.filter((line) => line.includes('"uuid"')).length, 2);
  await file.write([]);
  assert.deepEqual(await file.read(), []);
});

test('a file that was cut short is set aside with a log line, and the pins before the cut count on', async (t) => {
  const { file, path, log } = await bench(t);
  await file.write([pin(1), pin(2)]);
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.slice(0, text.lastIndexOf('since')));
  assert.deepEqual(await file.read(), [pin(1)]);
  assert.equal(log.linesOf(/pins were damaged: set aside/).length, 1);
  assert.deepEqual((await readdir(join(path, '..'))).toSorted(), ['pins.json', 'pins.json.corrupt-42']);
  assert.deepEqual(await file.read(), [pin(1)]);
  assert.equal(log.lines.length, 1);
});

test('entries that are no pins are dropped, and the file as it was is kept beside', async (t) => {
  const { file, path, log } = await bench(t);
  await writeFile(
    path,
    JSON.stringify({ pins: [pin(1), { ...pin(2), uuid: '../../etc' }, { ...pin(3), by: 'x' }, 7] }),
  );
  assert.deepEqual(await file.read(), [pin(1)]);
  assert.match(String(log.lines[0]?.fields['fault']), /some entries/);
  await writeFile(path, '\0\0\0');
  assert.deepEqual(await file.read(), []);
});

test('a file that cannot be read is an error and no empty file', async (t) => {
  const { file, path } = await bench(t);
  await mkdir(path);
  await assert.rejects(file.read(), (error) => error instanceof MirrorError && error.code === 'InternalError');
  await assert.rejects(file.write([pin(1)]), MirrorError);
});
