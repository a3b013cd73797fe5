import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { runtimeFindings, selfCheck } from '../../../src/cli/self-check.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const NO_LIMITS = '/nowhere/limits';

async function findings(dir: string, more: { minFreeBytes?: number; limitsFile?: string } = {}): Promise<string[]> {
  const found = await selfCheck({ dir, minFreeBytes: 0, limitsFile: NO_LIMITS, ...more });
  return found.map(({ severity, check, message }) => `${severity} ${check}: ${message}`);
}

test('a fresh directory, an empty one and one that is in use have nothing wrong, and none is made or left changed', async (t) => {
  const top = await makeTempDir(t);
  assert.deepEqual(await findings(path.join(top, 'not', 'yet')), []);
  assert.deepEqual(await findings(top), []);
  assert.deepEqual(await readdir(top), []);
  for (const name of ['blobs/sha1', 'manifests', 'partial', 'quarantine']) {
    await mkdir(path.join(top, name), { recursive: true });
  }
  await writeFile(path.join(top, 'records.sqlite'), 'SQLite format 3\0 and more');
  assert.deepEqual(await findings(top), []);
});

test('a directory that cannot be had is an error that names what is in the way', async (t) => {
  const top = await makeTempDir(t);
  const file = path.join(top, 'file');
  await writeFile(file, '');
  assert.deepEqual(await findings(file), [
    `error directory: cache directory ${file} cannot be used: ENOTDIR at ${file}`,
  ]);
  const below = path.join(file, 'cache');
  assert.match((await findings(below)).join('\n'), /^error directory: cache directory \S+ cannot be used: ENOTDIR at /);
  await writeFile(path.join(top, 'partial'), '');
  assert.match((await findings(top)).join('\n'), /^error directory: .* ENOTDIR at \S+partial$/);
});

test('a part of it on another file system is an error: files could not be moved there', async (t) => {
  const top = await makeTempDir(t);
  // Every Linux has this one beside the temporary directory's.
  await symlink('/proc/self', path.join(top, 'quarantine'));
  assert.match((await findings(top)).join('\n'), /^error directory: .*quarantine( is on another file system|$)/);
});

test('too little free space is a warning with both figures', async (t) => {
  const [line = ''] = await findings(await makeTempDir(t), { minFreeBytes: 2 ** 60 });
  assert.match(
    line,
    /^warning space: the file system of \S+ has [\d.]+[KMGT]?i?B free, less than cache\.minFreeBytes /,
  );
});

test('records that are no sqlite file are a warning, records that cannot be opened an error', async (t) => {
  const top = await makeTempDir(t);
  await writeFile(path.join(top, 'records.sqlite'), 'something else altogether');
  assert.match((await findings(top)).join('\n'), /^warning records: \S+records\.sqlite is damaged; it is set aside/);
  await writeFile(path.join(top, 'records.sqlite'), '');
  assert.deepEqual(await findings(top), []);
  const other = await makeTempDir(t);
  await mkdir(path.join(other, 'records.sqlite'));
  assert.match((await findings(other)).join('\n'), /^error records: \S+ cannot be used: EISDIR$/);
});

test('a low limit on open files is a warning; a high, unlimited or unknown one is not', async (t) => {
  const top = await makeTempDir(t);
  const limitsFile = path.join(top, 'limits');
  for (const [soft, count] of [
    ['256', 1],
    ['1024', 0],
    ['unlimited', 0],
  ] as const) {
    await writeFile(limitsFile, limitsOf(soft));
    const found = await findings(path.join(top, 'cache'), { limitsFile });
    assert.equal(found.length, count, soft);
    if (count === 1) assert.match(found.join('\n'), /^warning open-files: this process may open 256 files only/);
  }
});

test('a serving.json that cannot be read is an error: a start would fail for it', async (t) => {
  const top = await makeTempDir(t);
  await symlink('serving.json', path.join(top, 'serving.json'));
  assert.match((await findings(top)).join('\n'), /^error directory: .* cannot be used: ELOOP at \S+serving\.json$/);
});

test('a directory of another format is an error, as it is at start', async (t) => {
  const top = await makeTempDir(t);
  await writeFile(path.join(top, 'VERSION'), '99\n');
  assert.deepEqual(await findings(top), [
    `error format: cache directory ${top} has format "99", this program knows format "1" only`,
  ]);
  await writeFile(path.join(top, 'VERSION'), '1\n');
  assert.deepEqual(await findings(top), []);
});

test('errors come before warnings', async (t) => {
  const top = await makeTempDir(t);
  await writeFile(path.join(top, 'partial'), '');
  const found = await selfCheck({ dir: top, minFreeBytes: 2 ** 60, limitsFile: NO_LIMITS });
  assert.deepEqual(
    found.map(({ severity }) => severity),
    ['error', 'warning'],
  );
});

test('the Node that runs the tests has what the mirror needs', () => {
  assert.deepEqual(runtimeFindings(), []);
});

/** As the kernel writes them. */
function limitsOf(soft: string): string {
  return `Limit                     Soft Limit           Hard Limit           Units     \nMax open files            ${soft}                  524288               files     \n`;
}
