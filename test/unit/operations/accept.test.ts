import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { ImageUuid } from '../../../src/imgapi/ids.ts';
import { createAccept } from '../../../src/operations/accept.ts';
import type { OperationEvent } from '../../../src/operations/operation.ts';
import { uuidOf } from '../catalog/fake-catalog.ts';
import { said, trustBench, type TrustBench } from '../trust/trust-bench.ts';

/** Images 1 and 2 in conflict, image 3 in peace. */
async function bench(t: TestContext): Promise<TrustBench> {
  const made = await trustBench(t);
  for (const content of ['a', 'b']) {
    const manifests = [said(1, [content]), said(2, [content]), said(3, ['same'])];
    await made.refresh([{ upstream: 'up0', manifests }]);
  }
  return made;
}

function context(): { signal: AbortSignal; onEvent(event: OperationEvent): void; readonly events: OperationEvent[] } {
  const events: OperationEvent[] = [];
  return { signal: new AbortController().signal, onEvent: (event) => void events.push(event), events };
}

test('every named conflict is accepted, with an event each', async (t) => {
  const { trust } = await bench(t);
  const told = context();
  const selectors = [uuidOf(1).toUpperCase(), uuidOf(2), uuidOf(1)];
  const { accepted } = await createAccept({ trust }).run({ selectors }, told);
  assert.deepEqual(
    accepted.map(({ uuid, from, to }) => [uuid, from.files, to.files]),
    [1, 2].map((n) => [uuidOf(n), said(n, ['a']).files, said(n, ['b']).files]),
  );
  const [first, second] = accepted;
  assert.deepEqual(told.events, [
    { type: 'accepted', ...first },
    { type: 'accepted', ...second },
  ]);
  assert.equal(trust.conflictCount, 0);
});

test('a dry run says the same and changes nothing', async (t) => {
  const { trust } = await bench(t);
  const operation = createAccept({ trust });
  const dry = await operation.run({ selectors: [uuidOf(1)], dryRun: true }, context());
  assert.equal(trust.conflictCount, 2);
  assert.deepEqual(await operation.run({ selectors: [uuidOf(1)] }, context()), dry);
});

test('the beginning of a uuid will do where it is of one image in conflict alone', async (t) => {
  const { trust } = await bench(t);
  const operation = createAccept({ trust });
  const [one] = trust.conflicts();
  assert.ok(one !== undefined);
  const twins = {
    conflicts: () => [one, one],
    preview: (uuid: ImageUuid) => trust.preview(uuid),
    accept: async (uuid: ImageUuid) => trust.accept(uuid),
  };
  await assert.rejects(createAccept({ trust: twins }).run({ selectors: [one.uuid.slice(0, 8)] }, context()), {
    code: 'NothingSelected',
    message: `2 images in conflict have a uuid that begins with ${one.uuid.slice(0, 8)}`,
  });
  await assert.rejects(operation.run({ selectors: ['ffffffff'] }, context()), { code: 'NothingSelected' });
  await assert.rejects(operation.run({ selectors: ['0000000'] }, context()), { code: 'ValidationFailed' });
  assert.equal(trust.conflictCount, 2);
  const { accepted } = await operation.run({ selectors: [uuidOf(2).slice(0, -1)] }, context());
  assert.deepEqual(
    accepted.map(({ uuid }) => uuid),
    [uuidOf(2)],
  );
});

test('with one wrong uuid nothing is accepted', async (t) => {
  const { trust } = await bench(t);
  const operation = createAccept({ trust });
  for (const [wrong, code] of [
    ['name=base', 'ValidationFailed'],
    [uuidOf(3), 'NothingSelected'],
    [uuidOf(4), 'ResourceNotFound'],
  ] as const) {
    await assert.rejects(operation.run({ selectors: [uuidOf(1), wrong] }, context()), { code });
  }
  assert.equal(trust.conflictCount, 2);
});
