/** Invariant 1 and 4 through the whole mirror, over real connections: wherever a transfer is cut, the client gets the right bytes. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { WITHHELD_BYTES } from '../../src/downloads/growing-file.ts';
import { startImageServer } from '../support/image-server.ts';
import type { Behaviour } from '../support/image-server.ts';
import { makeImage } from '../support/images.ts';
import { startMirror } from '../support/mirror.ts';
import { rawRequest } from '../support/raw-request.ts';
import type { RawResponse } from '../support/raw-request.ts';

/** One image, and how its upstream answers the first requests for it; then it behaves. */
interface Case {
  readonly size: number;
  readonly supportsRange: boolean;
  readonly answers: readonly Behaviour[];
}

const SIZES: readonly number[] = [0, 1, 231, WITHHELD_BYTES - 1, WITHHELD_BYTES, WITHHELD_BYTES + 1, 200_001];

/** Before and after the first byte, around where the withheld tail begins, before and after the last byte. */
function boundariesOf(size: number): number[] {
  const tail = size - WITHHELD_BYTES;
  const all = [0, 1, tail - 1, tail, tail + 1, Math.floor(size / 2), size - 1, size];
  return [...new Set(all.filter((byte) => byte >= 0 && byte <= size))];
}

/** Runs all cases at once, in one mirror: each is an image of its own. */
async function runCases(
  t: TestContext,
  cases: readonly Case[],
): Promise<{ response: RawResponse; isRight: boolean }[]> {
  const images = cases.map(({ size }, at) => makeImage({ name: `cut-${at}`, size }));
  const caseOf = new Map(images.map((image, at) => [image.uuid as string, cases[at]]));
  await using upstream = await startImageServer({ images });
  upstream.behave = ({ route, uuid, attempt }) => {
    const found = route === 'file' ? caseOf.get(uuid ?? '') : undefined;
    return found === undefined ? undefined : { supportsRange: found.supportsRange, ...found.answers[attempt - 1] };
  };
  const mirror = await startMirror(t, { upstreams: [{ url: upstream.url, stallTimeout: 500, maxDownloads: 200 }] });
  try {
    return await Promise.all(
      images.map(async (image) => {
        const path = `/images/${image.uuid}/file`;
        const response = await rawRequest({ port: mirror.port, path, hash: true, keepBody: false });
        const [file] = image.files;
        return { response, isRight: response.bytes === file?.size && response.sha1 === file.sha1 };
      }),
    );
  } finally {
    await mirror.close();
  }
}

test('a transfer cut at any boundary, with and without ranges, ends cleanly with the right bytes', async (t) => {
  const cases = SIZES.flatMap((size) =>
    [true, false].flatMap((supportsRange) =>
      boundariesOf(size).map((cutAfterBytes): Case => ({ size, supportsRange, answers: [{ cutAfterBytes }] })),
    ),
  );
  const outcomes = await runCases(t, cases);
  for (const [at, { response, isRight }] of outcomes.entries()) {
    assert.ok(isRight && response.endedCleanly && response.status === 200, JSON.stringify(cases[at]));
  }
});

const anyCase: fc.Arbitrary<Case> = fc
  .record({ size: fc.constantFrom(...SIZES), supportsRange: fc.boolean() })
  .chain(({ size, supportsRange }) => {
    const byte = fc.oneof(fc.constantFrom(...boundariesOf(size)), fc.nat({ max: size }));
    const answer: fc.Arbitrary<Behaviour> = fc.oneof(
      byte.map((cutAfterBytes) => ({ cutAfterBytes })),
      byte.map((cutAfterBytes) => ({ cutAfterBytes, contentLength: 'none' as const })),
      byte.map((corruptAtByte) => ({ corruptAtByte: Math.max(0, Math.min(corruptAtByte, size - 1)) })),
      byte.map((stallAfterBytes) => ({ stallAfterBytes })),
      byte.map((contentLength) => ({ contentLength })),
      fc.constantFrom('wrong' as const, 'none' as const).map((contentMd5) => ({ contentMd5 })),
      fc
        .constantFrom('start' as const, 'end' as const, 'total' as const, 'missing' as const, 'shifted' as const)
        .map((rangeLie) => ({ rangeLie, supportsRange: true })),
      fc.constantFrom(200, 404, 500).map((status) => ({ status })),
    );
    return fc.array(answer, { minLength: 1, maxLength: 3 }).map((answers) => ({ size, supportsRange, answers }));
  });

test('whatever an upstream does, a response that ends cleanly as a success has the right bytes', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyCase, { minLength: 1, maxLength: 60 }), async (cases) => {
      for (const [at, { response, isRight }] of (await runCases(t, cases)).entries()) {
        const text = `${response.status}, ${response.bytes} bytes: ${JSON.stringify(cases[at])}`;
        assert.notEqual(response.brokenBy, 'deadline', text);
        if (!response.endedCleanly || response.status >= 400) continue;
        assert.ok(isRight, text);
        // A client that believes the header must come to the same verdict.
        assert.equal(response.headers['content-md5'] ?? response.md5, response.md5, text);
      }
    }),
    { numRuns: 3, seed: 20, endOnFailure: true },
  );
});
