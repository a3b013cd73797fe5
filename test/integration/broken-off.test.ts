/** What a mirror breaks off is a failure of its own, and saves nothing; what its clients break off is neither. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { startImageServer } from '../support/image-server.ts';
import { makeImage, type TestImage } from '../support/images.ts';
import { startMirror, type TestMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';
import { createAsk, fieldsOf } from './ask.ts';

const pathOf = ({ uuid }: TestImage): string => `/images/${uuid}/file`;

/** Requests for files that are over, by how; those that there were none of are left out. */
async function codesOf(mirror: TestMirror): Promise<Readonly<Record<string, number>>> {
  const codes = ['2xx', '3xx', '4xx', '5xx', 'broken', 'refused', 'none'];
  const counts = await Promise.all(
    codes.map(async (code) => {
      const series = `imgapi_mirror_http_requests_total{route="file",method="GET",code="${code}"}`;
      return [code, await mirror.metric(series)] as const;
    }),
  );
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** Files by cache result, and bytes of them in `file_response_bytes_total` or `file_broken_bytes_total`. */
async function byResult(mirror: TestMirror, counter: string): Promise<Readonly<Record<string, number>>> {
  const kind = counter === 'cache_results_total' ? 'kind="file",' : '';
  const series = (result: string): string => `imgapi_mirror_${counter}{${kind}result="${result}"}`;
  const counts = await Promise.all(
    ['hit', 'miss', 'join', 'pass'].map(async (result) => [result, await mirror.metric(series(result))] as const),
  );
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

async function trafficOf(mirror: TestMirror): Promise<Readonly<Record<string, unknown>>> {
  const { json } = await createAsk(mirror)('/_mirror/api/status');
  return fieldsOf(fieldsOf(json)['traffic']);
}

/** Resolves when so many file requests are over. */
async function untilOver(mirror: TestMirror, count: number): Promise<void> {
  await until(
    async () => (await mirror.metric('imgapi_mirror_http_request_duration_seconds_count{route="file"}')) === count,
  );
}

test('wrong bytes: whoever got some of them was broken off, which is no success, no hit, and saves nothing', async (t) => {
  const wrong = makeImage({ name: 'wrong', size: 400_000 });
  const right = makeImage({ name: 'right', size: 500_000 });
  await using upstream = await startImageServer({
    images: [wrong, right],
    behave: ({ route, uuid }) => (route === 'file' && uuid === wrong.uuid ? { corruptAtByte: 399_000 } : undefined),
  });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const answers = await Promise.all(Array.from({ length: 5 }, async () => ask(pathOf(wrong))));
  for (const { status, endedCleanly } of answers) assert.deepEqual([status, endedCleanly], [200, false]);
  await untilOver(mirror, 5);
  assert.deepEqual(await codesOf(mirror), { broken: 5 });
  assert.deepEqual(await byResult(mirror, 'cache_results_total'), {});
  const broken = await byResult(mirror, 'file_broken_bytes_total');
  assert.deepEqual(broken, await byResult(mirror, 'file_response_bytes_total'));
  const brokenBytes = Object.values(broken).reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(brokenBytes >= answers.reduce((sum, { bytes }) => sum + bytes, 0) && brokenBytes > 0);
  assert.partialDeepStrictEqual(await trafficOf(mirror), {
    files: { hit: 0, miss: 0, join: 0, pass: 0 },
    lanBytes: brokenBytes,
    brokenBytes,
    savedRatio: 0,
  });

  for (let times = 0; times < 9; times++) {
    assert.ok((await ask(pathOf(right))).endedCleanly);
    await until(() => mirror.app.downloads.progressOf(right.files[0]!.sha1) === undefined);
  }
  await untilOver(mirror, 14);
  assert.deepEqual(await codesOf(mirror), { '2xx': 9, broken: 5 });
  assert.deepEqual(await byResult(mirror, 'cache_results_total'), { miss: 1, hit: 8 });
  const { wanBytes, ...traffic } = await trafficOf(mirror);
  const servedBytes = 9 * 500_000;
  assert.ok(typeof wanBytes === 'number' && wanBytes > 500_000 && wanBytes < servedBytes, String(wanBytes));
  assert.deepEqual(traffic, {
    files: { hit: 8, miss: 1, join: 0, pass: 0 },
    lanBytes: servedBytes + brokenBytes,
    brokenBytes,
    savedRatio: 1 - wanBytes / servedBytes,
  });
});

test('an upstream that fails in the midst of a file breaks it off, one that fails before is an error: neither is a miss', async (t) => {
  const cut = makeImage({ name: 'cut', size: 400_000 });
  const refused = makeImage({ name: 'refused', size: 400_000 });
  await using upstream = await startImageServer({
    images: [cut, refused],
    behave({ route, uuid, attempt }) {
      if (route !== 'file') return undefined;
      return uuid === cut.uuid && attempt === 1 ? { cutAfterBytes: 200_000 } : { status: 500 };
    },
  });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  assert.equal((await ask(pathOf(refused))).status, 503);
  const { status, endedCleanly } = await ask(pathOf(cut));
  assert.deepEqual([status, endedCleanly], [200, false]);
  await untilOver(mirror, 2);
  assert.deepEqual(await codesOf(mirror), { '5xx': 1, broken: 1 });
  assert.deepEqual(await byResult(mirror, 'cache_results_total'), {});
  const broken = await byResult(mirror, 'file_broken_bytes_total');
  assert.deepEqual(Object.keys(broken), ['miss']);
  assert.deepEqual(broken, await byResult(mirror, 'file_response_bytes_total'));
});

/** A client that has asked for a file and has seen the answer begin. It reads no further. */
async function beginning(t: TestContext, port: number, path: string): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await once(socket, 'readable');
  return socket;
}

test('a client that leaves, resets its connection or takes no byte for too long is not broken off by the mirror', async (t) => {
  // More than the kernel takes for a client that does not read.
  const image = makeImage({ size: 24_000_000 });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url], listen: { clientStallTimeout: 300 } });
  const path = pathOf(image);
  (await beginning(t, mirror.port, path)).destroy();
  await untilOver(mirror, 1);
  (await beginning(t, mirror.port, path)).resetAndDestroy();
  await untilOver(mirror, 2);
  await beginning(t, mirror.port, path);
  await until(() =>
    mirror.log.linesOf(/^response broken off$/).some(({ fields }) => /no byte/.test(String(fields['err']))),
  );
  await untilOver(mirror, 3);
  assert.deepEqual(await codesOf(mirror), { '2xx': 3 });
  assert.deepEqual(await byResult(mirror, 'file_broken_bytes_total'), {});
  assert.equal(await mirror.metric('imgapi_mirror_http_responses_aborted_total{route="file"}'), 3);
  const results = await byResult(mirror, 'cache_results_total');
  assert.equal(
    Object.values(results).reduce((sum, count) => sum + count, 0),
    3,
    JSON.stringify(results),
  );
});

test('what a stop ends is not broken off', async (t) => {
  const image = makeImage({ size: 400_000 });
  await using upstream = await startImageServer({ images: [image], behaviour: { stallAfterBytes: 200_000 } });
  // Passed through: what it shares with nobody on disk is given up before its client is.
  const mirror = await startMirror(t, {
    upstreams: [{ url: upstream.url, stallTimeout: 60_000 }],
    cache: { maxBytes: 1024 },
    listen: { drainTimeout: 100 },
  });
  await beginning(t, mirror.port, pathOf(image));
  await mirror.app.drain();
  await mirror.app.close();
  await until(() => mirror.log.linesOf(/^response aborted$/).length === 1);
  const lines = mirror.log.linesOf(/^response (aborted|broken off)$/);
  assert.deepEqual(
    lines.map(({ message, fields }) => [message, fields['broken']]),
    [['response aborted', undefined]],
  );
});
