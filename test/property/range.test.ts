import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRange } from '../../src/http/range.ts';
import { rawRequest } from '../support/imgadm-client.ts';
import { startImageServer } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { until } from '../support/wait-for.ts';

const MAX_SIZE = 30;
const edge = fc.option(fc.nat({ max: MAX_SIZE + 5 }), { nil: undefined });
const text = (value: number | undefined): string => (value === undefined ? '' : String(value));

/** Which bytes a range names, found by looking at each: RFC 9110 section 14.1.2, as naive as can be. */
function namedBytes(first: number | undefined, last: number | undefined, size: number): number[] {
  const all = Array.from({ length: size }, (_, at) => at);
  if (first !== undefined) return all.filter((at) => at >= first && (last === undefined || at <= last));
  return all.filter((at) => last !== undefined && at >= size - last);
}

test('a part is exactly the bytes that the range names, and a range that names none is unsatisfiable', () => {
  fc.assert(
    fc.property(edge, edge, fc.nat({ max: MAX_SIZE }), (first, last, size) => {
      const answer = parseRange(`bytes=${text(first)}-${text(last)}`, size);
      const isNoRange =
        (first === undefined && last === undefined) || (first !== undefined && last !== undefined && last < first);
      if (isNoRange) {
        assert.equal(answer.kind, 'whole');
        return;
      }
      const named = namedBytes(first, last, size);
      if (answer.kind === 'part') {
        assert.deepEqual(
          Array.from({ length: answer.end - answer.start }, (_, at) => answer.start + at),
          named,
        );
        assert.ok(named.length > 0);
      } else {
        assert.deepEqual([answer.kind, named], ['unsatisfiable', []]);
      }
    }),
    { numRuns: 2_000 },
  );
});

test('whatever a client sends, the answer is the whole, none, or a part within the file', () => {
  const header = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc
      .string({ unit: fc.constantFrom('=', '-', ',', ' ', '\t', '0', '1', '7', '9'), maxLength: 40 })
      .map((tail) => `bytes=${tail}`),
  );
  fc.assert(
    fc.property(header, fc.nat(), (value, size) => {
      const answer = parseRange(value, size);
      if (answer.kind !== 'part') return;
      assert.ok(Number.isSafeInteger(answer.start) && Number.isSafeInteger(answer.end));
      assert.ok(answer.start >= 0 && answer.start < answer.end && answer.end <= size, JSON.stringify(answer));
    }),
    { numRuns: 2_000 },
  );
});

test('the bytes that are served are the slice the range names, with its own length and place', async (t) => {
  const size = 300_007;
  const image = makeImage({ size });
  await using upstream = await startImageServer({ images: [image] });
  const mirror = await startMirror(t, { upstreams: [upstream.url] });
  const [file] = image.files;
  assert.ok(file);
  const target = { port: mirror.port, path: `/images/${image.uuid}/file` };
  await rawRequest(target);
  await until(() => mirror.app.downloads.progressOf(file.sha1) === undefined);
  const bytes = file.bytes();
  const position = fc.oneof(fc.nat({ max: size + 10 }), fc.constantFrom(0, 1, 65_535, 65_536, size - 1, size));
  await fc.assert(
    fc.asyncProperty(
      fc.option(position, { nil: undefined }),
      fc.option(position, { nil: undefined }),
      async (first, last) => {
        const range = `bytes=${text(first)}-${text(last)}`;
        const expected = parseRange(range, size);
        const answer = await rawRequest({ ...target, headers: { range } });
        assert.ok(answer.endedCleanly);
        if (expected.kind === 'unsatisfiable') {
          assert.deepEqual([answer.status, answer.headers['content-range']], [416, `bytes */${size}`]);
          return;
        }
        const { start, end } = expected.kind === 'part' ? expected : { start: 0, end: size };
        assert.equal(answer.status, expected.kind === 'part' ? 206 : 200);
        assert.equal(answer.headers['content-length'], String(end - start));
        if (expected.kind === 'part')
          assert.equal(answer.headers['content-range'], `bytes ${start}-${end - 1}/${size}`);
        assert.ok(answer.body.equals(bytes.subarray(start, end)), range);
      },
    ),
    { numRuns: 100 },
  );
});
