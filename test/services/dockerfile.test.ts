/** The Dockerfile, built and run for real, over a stand-in for its base that is made on this machine. About 90 s. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { makeBaseImage } from './support/base-image.ts';
import { createBuildah } from './support/buildah.ts';
import type { Buildah } from './support/buildah.ts';
import { readImageConfig } from './support/image-config.ts';
import type { ImageConfig } from './support/image-config.ts';
import { hasNeeds } from './support/need.ts';
import { npmMounts } from './support/npm-mounts.ts';
import { tryCommand } from './support/run-command.ts';
import { mirrorEnv, startMirror } from './support/started-mirror.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const TOOLS = { buildah: 'buildah', mmdebstrap: 'mmdebstrap', unshare: 'util-linux', chroot: 'coreutils' };

interface Built {
  readonly buildah: Buildah;
  /** One for all: each is a copy of the whole file system. */
  readonly container: string;
  readonly config: ImageConfig;
}

test('the Dockerfile builds an image that mirrors, without root, without npm, and ends when told', async (t) => {
  if (!hasNeeds(t, { tools: TOOLS, root: true })) return;
  const dir = await makeTempDir(t);
  const buildah = createBuildah(dir);
  await makeBaseImage(buildah, await defaultBase());
  const mounts = await npmMounts(dir);
  // The format is the one that has health checks.
  const options = ['--format', 'docker', '--pull-never', '--quiet', '--tag', 'imgapi-mirror', ...mounts];
  await buildah.run(['build', ...options, REPOSITORY], { deadlineMs: 240_000 });
  const container = await buildah.run(['from', '--pull-never', 'imgapi-mirror']);
  const built: Built = {
    buildah,
    container,
    config: readImageConfig(await buildah.run(['inspect', '--type', 'image', 'imgapi-mirror'])),
  };

  await t.test('it says what an orchestrator wants to know', () => saysWhatItIs(built));
  await t.test('it holds what a mirror needs and no more', () => holdsNoMore(built));
  await t.test('it serves an image, first a MISS, then a HIT', (s) => servesAnImage(s, built));
  await t.test('it stops on SIGTERM as process 1, which no signal ends by default', (s) => stopsAsProcessOne(s, built));
  await t.test('it starts as a user that no file knows', () => startsAsAnyUser(built));
});

/** The base that is built upon where nobody says otherwise. */
async function defaultBase(): Promise<string> {
  const found = /^ARG NODE_IMAGE=(\S+)$/m.exec(await readFile(join(REPOSITORY, 'Dockerfile'), 'utf8'))?.[1];
  assert.ok(found !== undefined, 'the Dockerfile names its base');
  return found;
}

function saysWhatItIs({ config }: Built): void {
  assert.equal(config.user, '1000:1000');
  assert.deepEqual(config.ports, ['8080/tcp']);
  assert.deepEqual(config.volumes, ['/var/cache/imgapi-mirror']);
  assert.equal(config.labels['org.opencontainers.image.title'], 'imgapi-mirror');
  assert.equal(config.labels['org.opencontainers.image.licenses'], 'MPL-2.0');
}

async function holdsNoMore({ buildah, container }: Built): Promise<void> {
  const shell = (script: string): Promise<string> => buildah.run(['run', container, '--', 'sh', '-c', script]);
  assert.equal(await shell('id -u; id -g'), '1000\n1000');
  assert.equal(await shell('for name in npm npx corepack yarn yarnpkg; do command -v $name; done; ls /opt'), '');
  assert.equal(await shell('ls /usr/local/bin'), 'imgapi-mirror\nnode');
  assert.match(await shell('imgapi-mirror --version'), /^imgapi-mirror \d+\.\d+\.\d+/);
  assert.equal(await shell('ls -A /app'), 'LICENSE\nbin\nconfig\ndist\nnode_modules\npackage.json');
  assert.equal(
    await shell('cd /app/node_modules; ls -d fastify typescript @types/node knip node-linux-* 2>/dev/null || :'),
    'fastify',
  );
  assert.equal(await shell('find /app -writable -not -type l | head -n 3'), '');
  assert.equal(await shell('find /var/cache/imgapi-mirror -writable'), '/var/cache/imgapi-mirror');
}

async function servesAnImage(t: TestContext, { buildah, container, config }: Built): Promise<void> {
  const image = makeImage({ size: 3_000_000 });
  await using upstream = await startImageServer({ images: [image] });
  const env = flags('--env', mirrorEnv(upstream.url));
  const mirror = await startMirror(t, buildah.command(['run', ...env, container, '--', ...config.command]));
  for (const cache of ['MISS', 'HIT']) {
    const answer = await fetch(`${mirror.url}/images/${image.uuid}/file`);
    assert.deepEqual([answer.status, answer.headers.get('x-cache')], [200, cache]);
    assert.deepEqual(Buffer.from(await answer.arrayBuffer()), image.files[0]?.bytes());
    // The follower has all before the file has its final name.
    await until(async () => /downloads_running 0$/m.test(await metricsOf(mirror.url)), { what: 'no download runs' });
  }
  assert.equal(upstream.countOf('file'), 1);
  assert.equal((await fetch(`${mirror.url}/_mirror/`)).status, 200, 'the page has its files');

  // A proxy that is not there: asking it would fail.
  const proxies = { http_proxy: 'http://127.0.0.1:9', HTTP_PROXY: 'http://127.0.0.1:9', NODE_USE_ENV_PROXY: '1' };
  const health = ['run', ...flags('--env', proxies), container, '--', ...config.healthcheck];
  await buildah.run(health);
  // The mirror itself, because buildah does not pass a signal on. It gives the mirror's exit code.
  process.kill(mirror.pid, 'SIGTERM');
  assert.equal(await mirror.ended(), 0, mirror.output());
  const [program, ...args] = buildah.command(health);
  assert.equal((await tryCommand(program, args)).code, 1);
}

/** `buildah run` in chroot isolation has no namespace for process ids, hence by hand. */
async function stopsAsProcessOne(t: TestContext, { buildah, container, config }: Built): Promise<void> {
  await using upstream = await startImageServer({ images: [makeImage()] });
  const root = await buildah.run(['mount', container]);
  const env = Object.entries(mirrorEnv(upstream.url)).map(([name, value]) => `${name}=${value}`);
  const inside = ['chroot', `--userspec=${config.user}`, root, 'env', '-i', ...config.env, ...env, ...config.command];
  const mirror = await startMirror(t, ['unshare', '--pid', '--fork', '--kill-child', ...inside]);
  assert.equal(mirror.pid, 1);
  const { pid } = mirror.child;
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').map(Number);
  assert.equal(children.length, 1);
  process.kill(children[0] ?? 0, 'SIGTERM');
  assert.equal(await mirror.ended(), 0, mirror.output());
}

/** Some orchestrators give each container a uid of its own, which /etc/passwd does not have. */
async function startsAsAnyUser({ buildah, container, config }: Built): Promise<void> {
  const run = ['run', '--user', '123456:0', container, '--'];
  assert.match(await buildah.run([...run, ...config.entrypoint, '--version']), /^imgapi-mirror \d+\.\d+\.\d+/);
  await buildah.run([...run, 'test', '-w', '/var/cache/imgapi-mirror']);
}

async function metricsOf(url: string): Promise<string> {
  return (await fetch(`${url}/metrics`)).text();
}

function flags(flag: string, values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).flatMap(([name, value]) => [flag, `${name}=${value}`]);
}
