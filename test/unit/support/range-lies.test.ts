import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startImageServer } from '../../support/image-server.ts';
import type { RangeLie } from '../../support/image-server.ts';
import { makeImage } from '../../support/images.ts';
import { rawRequest } from '../../support/raw-request.ts';

const SIZE = 1_000;
const image = makeImage({ name: 'range-lies', size: SIZE });

const LIES: readonly (readonly [RangeLie, string | undefined, number])[] = [
  ['start', 'bytes 401-999/1000', 400],
  ['end', 'bytes 400-998/1000', 400],
  ['total', 'bytes 400-999/1001', 400],
  ['missing', undefined, 400],
  ['shifted', 'bytes 400-999/1000', 399],
];

for (const [rangeLie, contentRange, firstByte] of LIES) {
  test(`a 206 may lie about its range: ${rangeLie}`, async () => {
    await using server = await startImageServer({ images: [image], behaviour: { supportsRange: true, rangeLie } });
    const path = `/images/${image.uuid}/file`;
    const response = await rawRequest({ port: server.port, path, headers: { Range: 'bytes=400-' } });
    assert.equal(response.status, 206);
    assert.equal(response.headers['content-range'], contentRange);
    assert.deepEqual(response.body, image.files[0]?.read(firstByte, 600));
  });
}

test('a 206 may come unasked', async () => {
  const behaviour = { supportsRange: true, rangeLie: 'unasked' as const };
  await using server = await startImageServer({ images: [image], behaviour });
  const response = await rawRequest({ port: server.port, path: `/images/${image.uuid}/file` });
  assert.equal(response.status, 206);
  assert.equal(response.headers['content-range'], 'bytes 0-999/1000');
  assert.equal(response.bytes, SIZE);
});
