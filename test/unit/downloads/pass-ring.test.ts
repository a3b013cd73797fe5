import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createPassRing, RING_BLOCK_BYTES } from '../../../src/downloads/pass-ring.ts';
import { createRunningHashes } from '../../../src/downloads/running-hashes.ts';
import { largeBytes } from './download-bench.ts';

const CAPACITY = 3 * RING_BLOCK_BYTES;
const BYTES = largeBytes('ring', 8 * RING_BLOCK_BYTES);

const digestsOf = (bytes: Buffer): { sha1: string; md5: string } => ({
  sha1: createHash('sha1').update(bytes).digest('hex'),
  md5: createHash('md5').update(bytes).digest('base64'),
});

test('it holds the last bytes, never more than its capacity, and knows the hashes before each of them', () => {
  const pieces = fc.array(fc.integer({ min: 1, max: 2 * RING_BLOCK_BYTES }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(
      fc.nat({ max: 300_000 }),
      pieces,
      fc.double({ min: 0, max: 1, noNaN: true }),
      (base, lengths, where) => {
        const hashes = createRunningHashes();
        hashes.update(BYTES.subarray(0, base));
        let dropped = base;
        const ring = createPassRing({
          start: base,
          hashes,
          capacityBytes: CAPACITY,
          onDrop: (start) => (dropped = start),
        });
        let end = base;
        for (const length of lengths) {
          const chunk = BYTES.subarray(end, Math.min(end + length, BYTES.length));
          // What is pushed is copied: the caller may use its buffer again.
          const own = Buffer.from(chunk);
          ring.push(own);
          own.fill(0);
          end += chunk.length;
          assert.equal(ring.end, end);
          assert.equal(ring.start, dropped, 'nothing is let go without a word before');
          assert.ok(end - ring.start <= CAPACITY);
          assert.ok(end - ring.start >= Math.min(end - base, CAPACITY - RING_BLOCK_BYTES));
        }
        const position = ring.start + Math.floor((end - ring.start) * where);
        assert.deepEqual(ring.hashesAt(position).digest(), digestsOf(BYTES.subarray(0, position)));
        const buffer = Buffer.alloc(100_000);
        for (let at = position; at < end;) {
          const read = ring.copy(buffer, at, buffer.length);
          assert.ok(read > 0 && buffer.subarray(0, read).equals(BYTES.subarray(at, at + read)), `at ${at}`);
          at += read;
        }
        assert.deepEqual(hashes.digest(), digestsOf(BYTES.subarray(0, end)), 'looking changes nothing');
      },
    ),
    { numRuns: 30, seed: 8 },
  );
});

test('what is not in it any more cannot be read', () => {
  const ring = createPassRing({
    start: 0,
    hashes: createRunningHashes(),
    capacityBytes: CAPACITY,
    onDrop: () => undefined,
  });
  ring.push(BYTES);
  assert.throws(() => ring.copy(Buffer.alloc(1), ring.start - 1, 1), RangeError);
  assert.throws(() => ring.hashesAt(0), RangeError);
});
