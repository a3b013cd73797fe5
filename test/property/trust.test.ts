/** The law of trust: without an acceptance the files of a uuid never change, whatever the upstreams say, in whatever order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { relationOf } from '../../src/trust/file-facts.ts';
import { factsText, parseFacts } from '../../src/trust/remembered.ts';
import { isSameJson } from '../../src/trust/same-json.ts';
import type { ImageFile } from '../../src/imgapi/manifest.ts';
import { trustBench } from '../unit/trust/trust-bench.ts';
import { manifest, upstreamLists } from './arbitraries.ts';

test('whatever sequence of lists, look-ups and restarts: a file once shown of a uuid is shown for ever', async (t) => {
  const step = fc.oneof(
    { weight: 4, arbitrary: upstreamLists.map((lists) => ({ kind: 'lists' as const, lists })) },
    {
      weight: 2,
      arbitrary: fc.tuple(manifest, fc.constantFrom('up0', 'up3')).map((said) => ({ kind: 'look' as const, said })),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 8 }), async (steps) => {
      const store = new Map<string, unknown>();
      const options = { store, upstreams: ['up0', 'up1', 'up2', 'up3'] };
      let bench = await trustBench(t, options);
      const seen = new Map<string, readonly ImageFile[]>();
      const see = (uuid: string, files: readonly ImageFile[]): void => {
        assert.notEqual(relationOf(seen.get(uuid) ?? [], files), 'contradicts');
        seen.set(uuid, files);
      };
      for (const one of steps) {
        if (one.kind === 'restart') {
          await bench.trust.close();
          bench = await trustBench(t, options);
        } else if (one.kind === 'look') {
          const [looked, upstream] = one.said;
          const inForce = await bench.trust.judge({ manifest: looked, upstream });
          see(looked.uuid, inForce.manifest.files);
        } else {
          for (const [uuid, shown] of await bench.refresh(one.lists)) see(uuid, shown.manifest.files);
        }
      }
      await bench.trust.close();
    }),
    { numRuns: 60 },
  );
});

test('facts are read as they were written', () => {
  fc.assert(
    fc.property(fc.array(manifest), fc.constantFrom('up0', 'an upstream: with, signs'), (manifests, upstream) => {
      const facts = manifests.map(
        ({ uuid, files }, at) => [uuid, { files, upstream, sinceMs: at, manifest: undefined }] as const,
      );
      assert.deepEqual(parseFacts(factsText(facts)), facts);
    }),
  );
});

test('JSON is the same exactly if its text is', () => {
  const json = fc.jsonValue({ maxDepth: 3 });
  fc.assert(
    fc.property(json, json, (a, b) => {
      assert.equal(isSameJson(a, b), JSON.stringify(a) === JSON.stringify(b));
      assert.ok(isSameJson(a, JSON.parse(JSON.stringify(a))));
    }),
  );
  assert.ok(!isSameJson({ a: 1, b: 2 }, { b: 2, a: 1 }));
});
