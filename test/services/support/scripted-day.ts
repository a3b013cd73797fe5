/** A day in the life of two mirrors, in seconds: a big one with a sound and a failing upstream, and one with hardly any disk. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startImageServer } from '../../support/image-server.ts';
import { makeImage, type TestImage } from '../../support/images.ts';
import { rawRequest, type RawResponse } from '../../support/raw-request.ts';
import { makeTempDir } from '../../support/temp-dir.ts';
import { tlsFile, tlsText } from '../../support/tls.ts';
import { until } from '../../support/wait-for.ts';
import type { Target } from './prometheus.ts';
import { startMirror } from './started-mirror.ts';

const ENTRY = fileURLToPath(new URL('../../../bin/imgapi-mirror.js', import.meta.url));
const CERT_FILE = tlsFile('rsa.cert.pem');
const TOKEN = 'the-token-of-the-day';
const HERD = 8;

export interface ScriptedDay {
  /** The small one serves HTTPS. */
  readonly targets: { readonly big: Target; readonly small: Target };
  /** Plays it; to be called once both have been scraped at rest. */
  play(): Promise<void>;
}

export async function prepareDay(t: TestContext): Promise<ScriptedDay> {
  const herd = makeImage({ name: 'herd', size: 2_000_000, icon: true });
  const cut = makeImage({ name: 'cut', size: 600_000 });
  const corrupt = makeImage({ name: 'corrupt', size: 300_000 });
  const nightly = makeImage({ name: 'nightly', size: 200_000 });
  const lost = makeImage({ name: 'lost', size: 100_000 });
  const thirds = [1, 2, 3].map((n) => makeImage({ name: `third-${n}`, size: 3_000_000 }));
  const huge = makeImage({ name: 'huge', size: 10_000_000 });
  const sound = await startImageServer({ images: [herd, cut, corrupt, nightly, huge, ...thirds] });
  t.after(async () => sound.close());
  const failing = await startImageServer({ images: [lost] });
  t.after(async () => failing.close());
  sound.behave = ({ route, uuid, attempt }) => {
    if (route !== 'file') return undefined;
    if (uuid === cut.uuid && attempt === 1) return { cutAfterBytes: 200_000 };
    return uuid === corrupt.uuid ? { corruptAtByte: 100 } : undefined;
  };
  const limited = { ...upstream('sound', sound.url), bandwidth: { limit: '100MiB' } };
  const [big, small] = await Promise.all([
    startOne(t, [limited, upstream('failing', failing.url)]),
    startOne(t, [upstream('sound', sound.url)], {
      IMGAPI_MIRROR_CACHE_MAX_BYTES: '8MiB',
      IMGAPI_MIRROR_LISTEN_TLS_CERT_FILE: CERT_FILE,
      IMGAPI_MIRROR_LISTEN_TLS_KEY_FILE: tlsFile('rsa.key.pem'),
    }),
  ]);
  await until(
    async () => {
      const lists = await Promise.all([big, small].map(async ({ url }) => send(url, '/images')));
      return lists[0]?.body.includes(lost.uuid) === true && lists[1]?.body.includes(huge.uuid) === true;
    },
    { deadlineMs: 20_000, everyMs: 100, what: 'both have their lists' },
  );

  async function coldHerdThenHits(): Promise<void> {
    const statuses = await Promise.all(Array.from({ length: HERD }, async () => askFile(big.url, herd)));
    assert.deepEqual(new Set(statuses), new Set([200]));
    for (let hits = 0; hits < 4; hits++) await askFile(big.url, herd);
    for (const path of ['/ping', '/images', `/images/${herd.uuid}`, `/images/${herd.uuid}/icon`, '/channels']) {
      await send(big.url, path);
    }
    for (let strangers = 0; strangers < 3; strangers++) await send(big.url, `/images/${randomUUID()}`);
  }

  async function failures(): Promise<void> {
    assert.equal(await askFile(big.url, cut), 200);
    await askFile(big.url, corrupt);
    failing.behaviour = { status: 500 };
    for (let rounds = 0; rounds < 3; rounds++) {
      const statuses = await Promise.all([1, 2].map(async () => askFile(big.url, lost)));
      assert.deepEqual(statuses, [503, 503]);
    }
  }

  async function fullDisk(): Promise<void> {
    assert.equal(await askFile(small.url, huge), 200);
    for (const image of [...thirds, ...thirds]) assert.equal(await askFile(small.url, image), 200);
  }

  async function upkeep(): Promise<void> {
    for (const [verb, body] of [
      ['prefetch', { selectors: ['name=nightly'] }],
      ['scrub', {}],
    ] as const) {
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${TOKEN}` };
      const answer = await fetch(`${big.url}/_mirror/api/${verb}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 200, await answer.text());
    }
  }

  return {
    targets: { big: { url: big.url }, small: { url: small.url, caFile: CERT_FILE } },
    async play() {
      await Promise.all([coldHerdThenHits().then(upkeep), fullDisk()]);
      await failures();
    },
  };
}

function upstream(name: string, url: string): object {
  return { name, url, proxy: 'none' };
}

async function askFile(url: string, { uuid }: TestImage): Promise<number> {
  const { status } = await send(url, `/images/${uuid}/file`);
  return status;
}

/** One request, whose body may well be broken off: that is how wrong bytes end. */
async function send(url: string, path: string): Promise<RawResponse> {
  const { port, protocol } = new URL(url);
  const secure = protocol === 'https:' ? { ca: tlsText('rsa.cert.pem') } : {};
  return rawRequest({ port: Number(port), path, deadlineMs: 30_000, ...secure });
}

async function startOne(
  t: TestContext,
  upstreams: readonly object[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly url: string }> {
  const cacheDir = join(await makeTempDir(t), 'cache');
  return startMirror(t, [process.execPath, ENTRY, 'serve', '--cache-dir', cacheDir], {
    IMGAPI_MIRROR_LISTEN_HOST: '127.0.0.1',
    IMGAPI_MIRROR_LISTEN_PORT: '0',
    IMGAPI_MIRROR_CACHE_MIN_FREE_BYTES: '0B',
    IMGAPI_MIRROR_CATALOG_REFRESH_EVERY: '1s',
    IMGAPI_MIRROR_UPSTREAMS: JSON.stringify(upstreams),
    IMGAPI_MIRROR_ADMIN_TOKEN: TOKEN,
    ...env,
  });
}
