import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { createCompressor } from '../../../src/http/compress.ts';

const BODY = Buffer.from(JSON.stringify(Array.from({ length: 500 }, (_, index) => ({ name: `image-${index}` }))));

test('nothing is compressed for a client that did not ask', () => {
  const compressor = createCompressor();
  for (const header of [undefined, '', 'identity', 'deflate', 'gzip;q=0', 'gzip;q=0, br;q=0, zstd;q=0', 'x-gzip2']) {
    assert.equal(compressor.choose(header, BODY), undefined, String(header));
  }
});

test('what the client asks for is chosen, by its own order where it has one, else by ours', () => {
  const compressor = createCompressor();
  assert.equal(compressor.choose('gzip', BODY), 'gzip');
  assert.equal(compressor.choose('br', BODY), 'br');
  assert.equal(compressor.choose('zstd', BODY), 'zstd');
  assert.equal(compressor.choose('gzip, deflate, br', BODY), 'br');
  assert.equal(compressor.choose('gzip, deflate, br, zstd', BODY), 'zstd');
  assert.equal(compressor.choose('gzip;q=1, br;q=0.5', BODY), 'gzip');
});

test('identity that is preferred is given', () => {
  const compressor = createCompressor();
  assert.equal(compressor.choose('identity;q=1, gzip;q=0.5', BODY), undefined);
});

test('a body too small to gain is sent as it is', () => {
  const compressor = createCompressor();
  assert.equal(compressor.choose('gzip', Buffer.alloc(1023)), undefined);
  assert.equal(compressor.choose('gzip', Buffer.alloc(1024)), 'gzip');
});

test('every encoding gives the body back', async () => {
  const compressor = createCompressor();
  const [gzip, br, zstd] = await Promise.all([
    compressor.compress(BODY, 'gzip'),
    compressor.compress(BODY, 'br'),
    compressor.compress(BODY, 'zstd'),
  ]);
  assert.deepEqual(gunzipSync(gzip), BODY);
  assert.deepEqual(brotliDecompressSync(br), BODY);
  assert.deepEqual(zstdDecompressSync(zstd), BODY);
  for (const packed of [gzip, br, zstd]) assert.ok(packed.length < BODY.length / 2);
});

test('one Buffer is compressed once per encoding, also for those who ask at the same time', async () => {
  const compressor = createCompressor();
  const [one, other] = await Promise.all([compressor.compress(BODY, 'gzip'), compressor.compress(BODY, 'gzip')]);
  assert.equal(one, other);
  assert.equal(await compressor.compress(BODY, 'gzip'), one);
  assert.notEqual(await compressor.compress(Buffer.from(BODY), 'gzip'), one);
  assert.notEqual(await compressor.compress(BODY, 'br'), one);
});
