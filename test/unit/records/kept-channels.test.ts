import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createKeptChannels } from '../../../src/records/kept-channels.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const RELEASE = [{ name: 'release', description: 'Tested', default: true as const }, { name: 'dev' }];

test('channels come back as they were, by upstream, in another run too', async (t) => {
  const dir = await makeTempDir(t);
  const first = createKeptChannels({ log: createCaptureLog() }, { dir });
  assert.equal(await first.get('smartos'), undefined);
  // Side by side: none is lost.
  await Promise.all([first.set('smartos', RELEASE), first.set('plain', [])]);
  for (const kept of [first, createKeptChannels({ log: createCaptureLog() }, { dir })]) {
    assert.deepEqual(await kept.get('smartos'), RELEASE);
    assert.deepEqual(await kept.get('plain'), []);
    assert.equal(await kept.get('other'), undefined);
  }
});

test('what is as before is not written again', async (t) => {
  const dir = await makeTempDir(t);
  const kept = createKeptChannels({ log: createCaptureLog() }, { dir });
  await kept.set('smartos', RELEASE);
  const before = await stat(path.join(dir, 'channels.json'));
  await kept.set('smartos', structuredClone(RELEASE));
  assert.equal((await stat(path.join(dir, 'channels.json'))).ino, before.ino);
  await kept.set('smartos', []);
  assert.notEqual((await stat(path.join(dir, 'channels.json'))).ino, before.ino);
});

test('a file that is damaged counts as none and is written anew', async (t) => {
  for (const text of ['', 'no JSON', '[]', '{"smartos": [{"name": 5}]}']) {
    const dir = await makeTempDir(t);
    const file = path.join(dir, 'channels.json');
    await writeFile(file, text);
    const log = createCaptureLog();
    const kept = createKeptChannels({ log }, { dir });
    assert.equal(await kept.get('smartos'), undefined, text);
    await kept.set('smartos', RELEASE);
    assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { smartos: RELEASE });
  }
});

test('a directory that cannot be written to loses nothing but the file, and is tried again', async (t) => {
  const dir = await makeTempDir(t);
  const log = createCaptureLog();
  const missing = path.join(dir, 'not-there');
  const kept = createKeptChannels({ log }, { dir: missing });
  await kept.set('smartos', RELEASE);
  await kept.set('smartos', RELEASE);
  assert.equal(log.linesOf(/could not be kept/).length, 2);
});
