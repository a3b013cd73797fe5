/** docs/operations.md: its commands are run as they stand, its configurations are checked, and what it names is there. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startImageServer } from '../support/image-server.ts';
import { blocksOf, openPlace, type Outcome } from '../support/document.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { runEntry } from './mirror-process.ts';

const ROOT = new URL('../../', import.meta.url);
const document = await readFile(new URL('docs/operations.md', ROOT), 'utf8');
const blocks = blocksOf(document).filter(({ words }) => words.length > 0);

const old = makeImage({ name: 'debian-11', version: '2021', size: 60_000, publishedAt: '2021-06-01T00:00:00Z' });
const base = { name: 'base-64-lts', version: '23.4.0', publishedAt: '2024-01-09T00:00:00Z' };
const image = makeImage({ ...base, uuid: '502eeef2-8267-489f-b19c-a206906f57ef', size: 150_000 });
/** What the upstream one day calls the same image. */
const rebuilt = makeImage({ ...base, uuid: image.uuid, contentSeed: 'rebuilt', size: 140_000 });

test('the commands of docs/operations.md work as they are written', async (t) => {
  for (const tool of ['openssl', 'curl']) {
    if (spawnSync(tool, ['version']).error === undefined) continue;
    t.skip(`there is no ${tool} on this machine, which the document uses`);
    return;
  }
  const upstream = await startImageServer({ images: [old, image] });
  t.after(async () => upstream.close());
  const root = await makeTempDir(t);
  const cache = path.join(root, 'cache');
  const etc = path.join(root, 'etc');
  const backup = path.join(root, 'backup');
  for (const dir of [etc, backup]) await mkdir(dir);
  const config = path.join(etc, 'imgapi-mirror.yaml');
  await writeFile(config, `upstreams: [{ name: up, url: ${upstream.url} }]\n`);
  const env = {
    IMGAPI_MIRROR_CONFIG: config,
    IMGAPI_MIRROR_CACHE_DIR: cache,
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0',
    IMGAPI_MIRROR_LISTEN_HOST: '127.0.0.1',
    IMGAPI_MIRROR_LISTEN_PORT: '0',
    ETC: etc,
    CACHE: cache,
    BACKUP: backup,
  };
  const place = await openPlace(t, root, { env });
  const told = new Map<string, Outcome>();
  const late = [];
  async function run(text: string, line: number): Promise<void> {
    const outcome = await place.run(text);
    assert.equal(outcome.code, 0, `line ${line}: ${text}${outcome.out}${outcome.err}`);
    told.set(text, outcome);
  }
  for (const { language, words, text, line } of blocks) {
    if (language !== 'sh') continue;
    if (words[0] === 'stays') {
      const url = await place.begin(text, /imgadm sources -a (\S+)/);
      // Known only now: the port is any free one.
      await place.run(`export MIRROR=${url}`);
      continue;
    }
    if (words[0] === 'stopped') {
      late.push({ text, line });
      continue;
    }
    assert.equal(words[0], 'run', `line ${line}`);
    if (text.startsWith('imgapi-mirror list conflict')) {
      upstream.images.add(rebuilt);
      await run('imgapi-mirror refresh', line);
    }
    await run(text, line);
    // The token is there from here on; as a variable, because the document's configurations are not put together into one.
    if (text.includes('openssl rand')) await place.run(`export IMGAPI_MIRROR_ADMIN_TOKEN_FILE="$ETC/token"`);
  }
  await place.end();
  for (const { text, line } of late) await run(text, line);

  const said = (words: string): string => [...told].find(([text]) => text.includes(words))?.[1].out ?? '';
  assert.match(said('imgapi-mirror status'), /^UPSTREAM +STATE[^]*^up +up /m);
  assert.match(said('doctor --as-client'), /^no problem, /m);
  assert.match(said('prefetch'), /^would fetch [^]*^1 image fetched/m);
  assert.match(said('imgapi-mirror pin'), new RegExp(`^pinned ${image.uuid}`, 'm'));
  assert.match(said('refresh --mirror'), /"dryRun": true/);
  assert.match(said('imgapi-mirror list conflict'), new RegExp(`^${image.uuid} .*conflict$`, 'm'));
  assert.match(
    said('imgapi-mirror accept'),
    new RegExp(`^would accept [^]*^accepted ${image.uuid}: ${rebuilt.files[0]?.sha1}`, 'm'),
  );
  assert.match(said('status --cache-dir'), /not running[^]* 1 pinned/);
});

test('the configurations of docs/operations.md are right', async (t) => {
  const cwd = await makeTempDir(t);
  const configs = blocks.filter(({ language }) => language === 'yaml');
  assert.ok(configs.length >= 2);
  for (const { text, line } of configs) {
    const file = path.join(cwd, `${line}.yaml`);
    await writeFile(path.join(cwd, 'token'), 'a-token-that-is-long-enough\n');
    await writeFile(file, text.replace('/etc/imgapi-mirror/token', path.join(cwd, 'token')));
    const { ended, out, err } = runEntry(t, ['config', 'check', '--config', file], { cwd });
    assert.equal(await ended, 0, `line ${line}: ${out()}${err()}`);
  }
});

test('there is a heading for every alert, and for nothing that is none', async () => {
  const rules = await readFile(new URL('config/prometheus/alerts.rules.yaml', ROOT), 'utf8');
  const alerts = [...rules.matchAll(/^ +- alert: (\w+)$/gm)].map(([, name = '']) => name);
  const headings = [...document.matchAll(/^### (\w+)$/gm)].map(([, name = '']) => name);
  assert.deepEqual(new Set(headings), new Set(alerts));
  const anchors = [...rules.matchAll(/runbook_url: '.*-runbooks\.html#(\w+)'$/gm)].map(([, anchor]) => anchor);
  assert.deepEqual(
    anchors,
    alerts.map((name) => name.toLowerCase()),
  );
});

test('every error code is explained, and every log line that is explained is written somewhere', async () => {
  const { ERROR_STATUS } = await import('../../src/imgapi/errors.ts');
  const codes = tableOf('Error codes').flatMap(({ first }) => [...first.matchAll(/`(\w+)`/g)].map(([, code]) => code));
  assert.deepEqual(new Set(codes), new Set(Object.keys(ERROR_STATUS)));
  for (const { first, second } of tableOf('Error codes')) {
    const names = [...first.matchAll(/`(\w+)`/g)].map(([, code = '']) => code);
    const statuses = second.split(', ').map(Number);
    for (const [at, name] of names.entries())
      assert.equal(
        Object.entries(ERROR_STATUS).find(([code]) => code === name)?.[1],
        statuses[at] ?? statuses[0],
        name,
      );
  }
  const source = await sourceText();
  for (const { first } of tableOf('Log lines'))
    assert.ok(source.includes(`'${first.slice(1, -1)}'`), `no such log line: ${first}`);
});

test('every link leads somewhere', async () => {
  for (const [, target = ''] of document.matchAll(/\]\(([^)\s]+)\)/g)) {
    const [file = '', anchor] = target.split('#');
    const text = file === '' ? document : await readFile(new URL(`docs/${file}`, ROOT), 'utf8');
    const anchors = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
    if (anchor !== undefined) assert.ok(anchors.includes(anchor), target);
  }
});

/** The rows of the table below a heading. */
function tableOf(heading: string): readonly { readonly first: string; readonly second: string }[] {
  const [, rest = ''] = document.split(`\n## ${heading}\n`);
  const [section = ''] = rest.split('\n## ');
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  assert.ok(rows.length > 0, heading);
  return rows.map((row) => {
    const [, first = '', second = ''] = row.split('|').map((cell) => cell.trim());
    return { first, second };
  });
}

/** As GitHub makes them. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}

async function sourceText(): Promise<string> {
  const dir = fileURLToPath(new URL('src', ROOT));
  const files = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.ts'));
  const texts = await Promise.all(files.map(async (name) => readFile(path.join(dir, name), 'utf8')));
  return texts.join('\n');
}
