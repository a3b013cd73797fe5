import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { readAdminToken } from '../../../src/cli/admin-token.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const TOKEN = 'sixteen-letters-';

async function problemOf(admin: { token: string | null; tokenFile: string | null }, cwd = '/nowhere'): Promise<string> {
  const read = await readAdminToken(admin, cwd);
  assert.ok(!read.ok, 'refused');
  assert.equal(read.problems.length, 1);
  return `${read.problems[0]?.key}: ${read.problems[0]?.message}`;
}

test('none is fine; one in the configuration or in a file is taken, without the end of its line', async (t) => {
  assert.deepEqual(await readAdminToken({ token: null, tokenFile: null }, '/'), { ok: true, token: undefined });
  assert.deepEqual(await readAdminToken({ token: TOKEN, tokenFile: null }, '/'), { ok: true, token: TOKEN });
  const dir = await makeTempDir(t);
  await writeFile(path.join(dir, 'token'), `${TOKEN}\n`);
  assert.deepEqual(await readAdminToken({ token: null, tokenFile: 'token' }, dir), { ok: true, token: TOKEN });
});

test('a token that is short, no word, double or unreadable is refused, and never shown', async (t) => {
  const dir = await makeTempDir(t);
  await writeFile(path.join(dir, 'short'), 'hunter2\n');
  assert.match(await problemOf({ token: 'hunter2', tokenFile: null }), /^admin.token: .* 7 characters; at least 16/);
  assert.match(await problemOf({ token: null, tokenFile: 'short' }, dir), /^admin.tokenFile: .* at least 16/);
  assert.match(await problemOf({ token: `${TOKEN} two`, tokenFile: null }), /^admin.token: .*no blank/);
  assert.match(await problemOf({ token: TOKEN, tokenFile: 'short' }, dir), /^admin: .*not both/);
  assert.match(
    await problemOf({ token: null, tokenFile: 'none' }, dir),
    /^admin.tokenFile: cannot read "none": no such file/,
  );
  assert.doesNotMatch(await problemOf({ token: 'hunter2', tokenFile: null }), /hunter2/);
});
