import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { readCaFiles } from '../../../src/cli/ca-files.ts';
import { defaultConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

function configWith(...caFiles: readonly (string | null)[]): Config {
  const config = defaultConfig();
  const [first] = config.upstreams;
  assert.ok(first);
  const upstreams: Config['upstreams'][number][] = [];
  for (const [at, caFile] of caFiles.entries()) upstreams.push({ ...first, name: `up${at}`, caFile });
  return { ...config, upstreams };
}

test('the files are read by the upstream they belong to, relative to the working directory', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'ca.pem'), PEM);
  const read = await readCaFiles(configWith(null, 'ca.pem', path.join(cwd, 'ca.pem')), cwd);
  assert.ok(read.ok);
  assert.deepEqual(
    [...read.texts],
    [
      ['up1', PEM],
      ['up2', PEM],
    ],
  );
});

test('every file that cannot be used is a problem of its own, with the key of its upstream', async (t) => {
  const cwd = await makeTempDir(t);
  await writeFile(path.join(cwd, 'key.pem'), '-----BEGIN PRIVATE KEY-----');
  await writeFile(path.join(cwd, 'large.pem'), PEM.repeat(100_000));
  const read = await readCaFiles(configWith('missing.pem', null, 'key.pem', '.', 'large.pem'), cwd);
  assert.ok(!read.ok);
  assert.deepEqual(
    read.problems.map(({ key }) => key),
    [0, 2, 3, 4].map((at) => `upstreams[${at}].caFile`),
  );
  assert.match(read.problems[1]?.message ?? '', /holds no certificate; a PEM file would do/);
});
