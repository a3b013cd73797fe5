/** Issue 3, item 1: what a mirror that was killed had pulled is not pulled again. */
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { rawRequest } from '../support/raw-request.ts';
import { makeTempDir } from '../support/temp-dir.ts';
import { until } from '../support/wait-for.ts';
import { seriesOf } from '../unit/metrics/exposition.ts';
import { startServing } from './mirror-process.ts';

const SIZE = 40 * 1024 * 1024;
const KILLED_AT = SIZE * 0.6;

test('killed with -9 at 60 % of a file it pulls at most 1.45x in all, and hashes what is on disk once', async (t) => {
  const image = makeImage({ size: SIZE });
  const [file] = image.files;
  const target = `/images/${image.uuid}/file`;
  await using upstream = await startImageServer({ images: [image], behaviour: { supportsRange: true } });
  upstream.behave = ({ route }) => (route === 'file' ? { supportsRange: true, stallAfterBytes: KILLED_AT } : undefined);
  const cwd = await makeTempDir(t);
  const places = { cwd, dir: path.join(cwd, 'cache'), upstreams: [`up=${upstream.url}`] };

  const first = await startServing(t, places);
  const cut = rawRequest({ port: first.port, path: target, keepBody: false });
  const partial = path.join(places.dir, 'partial', file!.sha1);
  await until(() => statSync(partial, { throwIfNoEntry: false })?.size === KILLED_AT, { deadlineMs: 20_000 });
  first.child.kill('SIGKILL');
  assert.equal(await first.ended, 'SIGKILL');
  const half = await cut;
  assert.ok(!half.endedCleanly && half.bytes <= KILLED_AT);
  upstream.behave = undefined;

  const second = await startServing(t, places);
  const answer = await rawRequest({ port: second.port, path: target, hash: true, keepBody: false });
  assert.deepEqual([answer.status, answer.endedCleanly, answer.sha1], [200, true, file?.sha1]);
  assert.equal(answer.headers['content-md5'], file?.md5, 'as the upstream announced it to the one before');
  assert.ok(upstream.bytesSent <= SIZE * 1.45, `${upstream.bytesSent / SIZE} x`);
  assert.equal(upstream.requests.at(-1)?.headers['range'], `bytes=${KILLED_AT}-`);
  assert.equal(upstream.countOf('file'), 2);

  const series = seriesOf(await (await fetch(`${second.url}/metrics`)).text());
  const of = (name: string): number | undefined => series.get(`imgapi_mirror_${name}`);
  assert.deepEqual(
    ['partial', 'range', 'skip'].map((mode) => [
      of(`transfer_resumes_total{mode="${mode}"}`),
      of(`transfer_resumed_bytes_total{mode="${mode}"}`),
    ]),
    [
      [1, KILLED_AT],
      [1, KILLED_AT],
      [0, 0],
    ],
  );
  assert.equal(of('upstream_response_bytes_total{upstream="up",kind="file"}'), SIZE - KILLED_AT);

  // What is stored now is whole: it needs the upstream no more.
  await upstream.stop();
  const hit = await rawRequest({ port: second.port, path: target, hash: true, keepBody: false });
  assert.deepEqual([hit.headers['x-cache'], hit.sha1], ['HIT', file?.sha1]);
});
