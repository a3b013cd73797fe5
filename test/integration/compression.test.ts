import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { startImageServer } from '../support/image-server.ts';
import { makeCatalog, makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { createAsk, fieldsOf, type Answer } from './ask.ts';

const DECOMPRESS: Readonly<Record<string, (body: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
};

/** The body as it is after the encoding it claims. */
function decoded(answer: Answer): string {
  const encoding = answer.headers['content-encoding'];
  const decompress = encoding === undefined ? (body: Buffer) => body : DECOMPRESS[encoding];
  assert.ok(decompress, `a known encoding, not ${encoding}`);
  return decompress(answer.body).toString('utf8');
}

const big = makeImage({ icon: true, size: 5_000, extra: { description: 'zstd or br or gzip? '.repeat(200) } });

test('JSON is compressed for the clients that ask, and only for them', async (t) => {
  await using upstream = await startImageServer({ images: [...makeCatalog(60), big] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const ask = createAsk(mirror);
  const paths = ['/images', '/images?type=zvol', `/images/${big.uuid}`];

  await t.test('unasked: as it is', async () => {
    for (const path of paths) {
      for (const headers of [{}, { 'accept-encoding': '' }, { 'accept-encoding': 'identity' }]) {
        const answer = await ask(path, { headers });
        assert.equal(answer.headers['content-encoding'], undefined);
        assert.equal(answer.headers['vary'], undefined);
        assert.equal(answer.headers['content-length'], String(answer.bytes));
      }
    }
  });

  await t.test('gzip, br and zstd give the same JSON, smaller', async () => {
    for (const path of paths) {
      const plain = await ask(path);
      for (const encoding of ['gzip', 'br', 'zstd']) {
        for (let times = 0; times < 2; times += 1) {
          const answer = await ask(path, { headers: { 'accept-encoding': encoding } });
          assert.equal(answer.headers['content-encoding'], encoding);
          assert.equal(answer.headers['content-type'], 'application/json');
          assert.equal(answer.headers['content-length'], String(answer.bytes));
          assert.match(String(answer.headers['vary']), /^accept-encoding$/i);
          assert.equal(answer.headers['etag'], plain.headers['etag']);
          assert.ok(answer.bytes < plain.bytes);
          assert.equal(decoded(answer), plain.text);
        }
      }
    }
  });

  await t.test('the client’s preferences decide', async () => {
    const cases: readonly (readonly [asked: string, encoding: string | undefined])[] = [
      ['gzip;q=0.5, br;q=0.9', 'br'],
      ['zstd;q=0.1, gzip;q=1', 'gzip'],
      ['GZIP', 'gzip'],
      ['gzip; q=1.0, identity; q=0.5', 'gzip'],
      ['identity;q=1, gzip;q=0.5', undefined],
      ['identity, gzip;q=0.5', undefined],
      ['gzip;q=0', undefined],
      ['gzip;q=0, identity', undefined],
      ['br;q=0, zstd;q=0, gzip', 'gzip'],
      ['identity;q=0, gzip', 'gzip'],
      ['identity;q=0, gzip;q=0.001', 'gzip'],
      ['*;q=0, gzip', 'gzip'],
      ['*;q=0', undefined],
      ['deflate', undefined],
      ['deflate, compress, x-unknown', undefined],
      ['dcb, dcz', undefined],
      ['gzip;q=junk, br', 'br'],
      [';;;,,,=q', undefined],
    ];
    for (const [asked, encoding] of cases) {
      const answer = await ask('/images', { headers: { 'accept-encoding': asked } });
      assert.equal(answer.status, 200, asked);
      assert.equal(answer.headers['content-encoding'], encoding, asked);
      assert.equal(JSON.parse(decoded(answer)).length, 61, asked);
    }
  });

  await t.test('what is refused is not sent, whatever else the star stands for', async () => {
    const refused = [
      ['zstd;q=0, *', /zstd/],
      ['*, zstd;q=0, br;q=0', /zstd|br/],
      ['zstd;q=0, br;q=0, gzip;q=0, *', /zstd|br|gzip/],
    ] as const;
    for (const [asked, wrong] of refused) {
      const answer = await ask('/images', { headers: { 'accept-encoding': asked } });
      assert.doesNotMatch(answer.headers['content-encoding'] ?? 'identity', wrong, asked);
      assert.equal(JSON.parse(decoded(answer)).length, 61, asked);
    }
  });

  await t.test('a client that takes no identity gets one of ours', async () => {
    for (const asked of ['identity;q=0', '*, identity;q=0', 'gzip, deflate, br, zstd']) {
      const answer = await ask('/images', { headers: { 'accept-encoding': asked } });
      assert.equal(answer.status, 200, asked);
      assert.equal(JSON.parse(decoded(answer)).length, 61, asked);
    }
  });

  await t.test('two headers of that name are one list', async () => {
    const headers = ['accept-encoding', 'gzip;q=0.1', 'accept-encoding', 'br'];
    assert.equal((await ask('/images', { headers })).headers['content-encoding'], 'br');
  });

  await t.test('versions do not share compressed bytes with other lists', async () => {
    const [one, all] = await Promise.all(
      ['/images?limit=30', '/images'].map(async (path) => ask(path, { headers: { 'accept-encoding': 'gzip' } })),
    );
    assert.equal(JSON.parse(decoded(one!)).length, 30);
    assert.equal(JSON.parse(decoded(all!)).length, 61);
  });

  await t.test('HEAD tells of the body that GET would send', async () => {
    for (const path of paths) {
      for (const encoding of ['identity', 'gzip', 'br', 'zstd']) {
        const headers = { 'accept-encoding': encoding };
        const get = await ask(path, { headers });
        const head = await ask(path, { method: 'HEAD', headers });
        assert.equal(head.bytes, 0);
        for (const name of ['content-encoding', 'content-length', 'content-type', 'vary', 'etag']) {
          assert.equal(head.headers[name], get.headers[name], `${name} of ${path} as ${encoding}`);
        }
      }
    }
  });

  await t.test('a 304 is a 304 whatever the encoding', async () => {
    const { etag } = (await ask(`/images/${big.uuid}`)).headers;
    const headers = { 'accept-encoding': 'gzip', 'if-none-match': String(etag) };
    assert.equal((await ask(`/images/${big.uuid}`, { headers })).status, 304);
  });
});

test('files and icons are never compressed, even for a client that asks', async (t) => {
  await using upstream = await startImageServer({ images: [big] });
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  for (const asked of ['gzip', 'br', 'zstd', 'gzip, identity;q=0', '*']) {
    const headers = { 'accept-encoding': asked };
    for (const method of ['GET', 'HEAD']) {
      const file = await ask(`/images/${big.uuid}/file`, { method, headers, hash: true });
      assert.equal(file.status, 200);
      assert.equal(file.headers['content-encoding'], undefined);
      assert.equal(file.headers['content-length'], '5000');
      assert.equal(file.headers['vary'], undefined);
      if (method === 'GET') assert.equal(file.sha1, big.files[0]?.sha1);
      const icon = await ask(`/images/${big.uuid}/icon`, { method, headers });
      assert.equal(icon.headers['content-encoding'], undefined);
      assert.equal(icon.headers['content-length'], String(big.icon!.bytes.length));
    }
  }
  // Nor is it asked of the upstream: its bytes are what the manifest's SHA-1 is of.
  for (const { route, headers } of upstream.requests) {
    if (route === 'file' || route === 'icon') assert.equal(headers['accept-encoding'], 'identity');
  }
});

test('an error is short and goes out as it is', async (t) => {
  await using upstream = await startImageServer();
  const ask = createAsk(await startMirror(t, { upstreams: [upstream.url] }));
  const answer = await ask('/images?limit=x', { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(answer.status, 422);
  assert.equal(answer.headers['content-encoding'], undefined);
  assert.equal(fieldsOf(answer.json)['code'], 'InvalidParameter');
});
