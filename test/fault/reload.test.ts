/** SIGHUP: what can be applied is, what cannot is named, and what is wrong changes nothing. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { startServing, type ServingProcess } from '../e2e/mirror-process.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';

interface Reloadable {
  readonly mirror: ServingProcess;
  readonly file: string;
  /** Writes the file, sends SIGHUP, and resolves with the lines it logged about it. */
  readonly reload: (text: string) => Promise<{ readonly line: Record<string, unknown>; readonly needRestart: unknown }>;
  readonly status: (target: string) => Promise<number>;
  readonly metric: (series: string) => Promise<number>;
}

async function startReloadable(t: TestContext, text: string, upstream = 'http://127.0.0.1:1'): Promise<Reloadable> {
  const cwd = await makeTempDir(t);
  const file = path.join(cwd, 'c.yaml');
  await writeFile(file, text);
  const args = ['--config', 'c.yaml'];
  const mirror = await startServing(t, { cwd, dir: path.join(cwd, 'cache'), upstreams: [`up=${upstream}`], args });
  const linesOf = (pattern: RegExp): Record<string, unknown>[] =>
    mirror.log().filter(({ msg }) => pattern.test(String(msg)));
  async function status(target: string): Promise<number> {
    return (await rawRequest({ port: mirror.port, path: target })).status;
  }
  return {
    mirror,
    file,
    async reload(next) {
      const [before, beforeRestart] = [
        linesOf(/^configuration (not )?reloaded/).length,
        linesOf(/need a restart/).length,
      ];
      await writeFile(file, next);
      mirror.child.kill('SIGHUP');
      const line = await until(() => linesOf(/^configuration (not )?reloaded/)[before]);
      // Written right behind it; an answered request proves that the loop has turned.
      await status('/_mirror/health');
      return { line, needRestart: linesOf(/need a restart/)[beforeRestart]?.['needRestart'] };
    },
    status,
    async metric(series) {
      const { body } = await rawRequest({ port: mirror.port, path: '/metrics' });
      const found = body
        .toString()
        .split('\n')
        .find((candidate) => candidate.startsWith(`${series} `));
      return Number(found?.slice(series.length + 1));
    },
  };
}

test('the log level, allowed clients and limits are applied, and a running response goes on', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  const { mirror, reload, status, metric } = await startReloadable(t, '', upstream.url);
  const loadedAt = await metric('imgapi_mirror_config_last_reload_success_timestamp_seconds');
  assert.ok(Math.abs(loadedAt - Date.now() / 1000) < 600);
  let seen = 0;
  const running = rawRequest({
    port: mirror.port,
    path: `/images/${image.uuid}/file`,
    hash: true,
    onProgress: (bytes) => (seen = bytes),
  });
  await until(() => seen > 0);
  const closed = await reload('listen: {allow: [10.0.0.0/8]}\nlog: {level: debug}\n');
  assert.deepEqual(closed.line['applied'], ['listen.allow', 'log.level']);
  assert.equal(closed.needRestart, undefined);
  assert.deepEqual([await status('/ping'), await status('/_mirror/health')], [403, 200]);
  upstream.behaviour = {};
  assert.equal((await running).sha1, image.files[0]?.sha1);
  const open = await reload('listen: {maxResponsesPerClient: 5}\n');
  assert.deepEqual(open.line['applied'], ['listen.allow', 'listen.maxResponsesPerClient', 'log.level']);
  assert.equal(await status('/ping'), 200);
  assert.equal(await metric('imgapi_mirror_config_reloads_total{result="ok"}'), 2);
  assert.ok((await metric('imgapi_mirror_config_last_reload_success_timestamp_seconds')) >= loadedAt);
});

test('a file that is wrong, or gone, changes nothing and says why; the next good one is taken', async (t) => {
  const { file, mirror, reload, status, metric } = await startReloadable(t, 'listen: {allow: [127.0.0.0/8]}\n');
  for (const [text, problem] of [
    ['listen: {allow: [10.0.0.0/8]}\nlog: {level: loud}\n', /^c\.yaml:2: log\.level: found "loud"/],
    ['listen: {alow: [10.0.0.0/8]}\n', /^c\.yaml:1: listen\.alow: unknown key; the nearest known one is allow/],
    ['listen: [', /^c\.yaml:1:\d+: /],
    ['listen: {allow: [10.0.0.0/33]}\n', /^c\.yaml:1: listen\.allow\[0\]: found "10\.0\.0\.0\/33"/],
  ] as const) {
    const { line } = await reload(text);
    assert.equal(line['msg'], 'configuration not reloaded, nothing was changed');
    assert.match(String(line['problems']), problem);
    assert.equal(await status('/ping'), 200, 'allowed as before');
  }
  assert.equal(await metric('imgapi_mirror_config_reloads_total{result="failed"}'), 4);
  await rm(file);
  mirror.child.kill('SIGHUP');
  await until(() => mirror.log().some(({ problems }) => /cannot read "c\.yaml": no such file/.test(String(problems))));
  assert.equal(await status('/ping'), 200);
  assert.deepEqual((await reload('listen: {allow: [10.0.0.0/8]}\n')).line['applied'], ['listen.allow']);
  assert.equal(await status('/ping'), 403);
});

test('what needs a restart is named each time and not applied; the rest of the file is', async (t) => {
  const { reload, status } = await startReloadable(t, '');
  const text = 'cache: {maxBytes: 1GiB}\nmetrics: {enabled: false}\nlisten: {clientStallTimeout: 1m}\n';
  for (const applied of [['listen.clientStallTimeout'], []]) {
    const { line, needRestart } = await reload(text);
    assert.deepEqual([line['applied'], needRestart], [applied, ['cache.maxBytes', 'metrics.enabled']]);
  }
  assert.equal(await status('/metrics'), 200);
  assert.equal((await reload('')).needRestart, undefined);
});

test('HTTPS cannot be switched on in a running mirror, and that is said', async (t) => {
  const { reload, status } = await startReloadable(t, '');
  const { line } = await reload('listen: {tls: {certFile: no.pem, keyFile: no.pem}}\n');
  assert.match(String(line['problems']), /listen\.tls\.certFile: cannot read "no\.pem"/);
  assert.equal(await status('/ping'), 200);
});

test('many SIGHUPs in a row are one reload or a few, and none is the last thing it does', async (t) => {
  const { file, mirror, status } = await startReloadable(t, '');
  for (let count = 0; count < 50; count++) {
    await writeFile(file, `listen: {maxResponsesPerClient: ${count + 1}}\n`);
    mirror.child.kill('SIGHUP');
  }
  await until(() => mirror.log().some(({ msg }) => msg === 'configuration reloaded'));
  assert.equal(await status('/ping'), 200);
  mirror.child.kill('SIGTERM');
  assert.equal(await mirror.ended, 0);
});
