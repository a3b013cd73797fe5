import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { ReadConfigResult } from '../../../src/cli/read-config.ts';
import { createReloader } from '../../../src/cli/reload.ts';
import { defaultConfig } from '../../../src/config/load.ts';
import type { Config } from '../../../src/config/schema.ts';
import { createCaptureLog } from '../../support/capture-log.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const defaults = defaultConfig();

interface Bench {
  readonly reload: () => Promise<void>;
  readonly log: ReturnType<typeof createCaptureLog>;
  readonly applied: Config[];
  readonly levels: string[];
  readonly failures: () => number;
  /** What the next reading gives. */
  next: () => Promise<ReadConfigResult>;
}

function bench(cwd = '/nowhere', running: Config = defaults, ca: ReadonlyMap<string, string> = new Map()): Bench {
  const log = createCaptureLog();
  const applied: Config[] = [];
  const levels: string[] = [];
  let failures = 0;
  const made: { next: Bench['next'] } = { next: async () => good(defaults) };
  const reload = createReloader(
    {
      app: { reload: (config) => void applied.push(config), reloadFailed: () => (failures += 1) },
      logger: { log, setLevel: (level) => void levels.push(level) },
      reread: async () => made.next(),
      cwd,
      now: () => 0,
    },
    { config: running, tls: undefined, ca },
  );
  return Object.assign(made, { reload, log, applied, levels, failures: () => failures });
}

function good(config: Config, warnings: readonly string[] = []): ReadConfigResult {
  return { ok: true, config, warnings, file: undefined };
}

test('the new log level is set, and warnings of the new configuration are logged', async () => {
  const b = bench();
  b.next = async () => good({ ...defaults, log: { ...defaults.log, level: 'debug' } }, ['careful']);
  await b.reload();
  assert.deepEqual([b.levels, b.applied.length, b.failures()], [['debug'], 1, 0]);
  assert.deepEqual(
    b.log.linesOf(/./).map(({ message, fields }) => [message, fields]),
    [
      ['configuration reloaded', { applied: ['log.level'] }],
      ['configuration warning', { warning: 'careful' }],
    ],
  );
});

test('asked again while it reads, it reads once more and no more than that', async () => {
  const b = bench();
  const first = Promise.withResolvers<ReadConfigResult>();
  let readings = 0;
  b.next = async () => {
    readings += 1;
    return readings === 1 ? first.promise : good(defaults);
  };
  const all = Promise.all([b.reload(), b.reload(), b.reload(), b.reload()]);
  first.resolve(good(defaults));
  await all;
  assert.deepEqual([readings, b.applied.length], [2, 2]);
});

test('reading that throws is a failed reload like any other, and the next one works', async () => {
  const b = bench();
  b.next = async () => {
    throw new Error('no memory');
  };
  await b.reload();
  assert.deepEqual([b.failures(), b.applied], [1, []]);
  assert.deepEqual(b.log.linesOf('error')[0]?.fields, { problems: ['no memory'] });
  b.next = async () => good(defaults);
  await b.reload();
  assert.equal(b.applied.length, 1);
});

test('an authority file whose contents are new needs a restart, and is named', async (t) => {
  const cwd = await makeTempDir(t);
  const text = '-----BEGIN CERTIFICATE-----\n';
  await writeFile(path.join(cwd, 'ca.pem'), text);
  const upstreams = defaults.upstreams.map((upstream) => ({ ...upstream, caFile: 'ca.pem' }));
  const config = { ...defaults, upstreams };
  const b = bench(cwd, config, new Map([['smartos', text]]));
  b.next = async () => good(config);
  await b.reload();
  assert.deepEqual(b.log.linesOf('warn'), []);
  await writeFile(path.join(cwd, 'ca.pem'), `${text}other\n`);
  await b.reload();
  const needRestart = ['contents of the caFile of upstream smartos'];
  assert.deepEqual(b.log.linesOf('warn')[0]?.fields, { needRestart });
});
