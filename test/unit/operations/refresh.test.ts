import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Catalog } from '../../../src/catalog/catalog.ts';
import { createRefresh } from '../../../src/operations/refresh.ts';
import { NO_CONTEXT } from './known.ts';

type Lists = Pick<Catalog, 'refresh' | 'state'>;

function fakes(): { readonly steps: string[]; readonly deps: Parameters<typeof createRefresh>[0] } {
  const steps: string[] = [];
  const state = {
    images: 7,
    conflicts: 2,
    upstreams: [
      { upstream: 'well', images: 7, fetchedAtMs: Date.UTC(2026, 0, 2), problem: undefined, isHeld: false },
      { upstream: 'ill', images: 0, fetchedAtMs: undefined, problem: 'too short', isHeld: true },
    ],
  };
  const catalog = {
    async refresh(options: { readonly accept?: boolean } = {}) {
      steps.push(`refresh accept=${options.accept}`);
    },
    state() {
      steps.push('state');
      return state;
    },
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- all of its state that is read here
  const lists = catalog as unknown as Lists;
  const negatives = { clear: async () => void steps.push('clear') };
  return { steps, deps: { catalog: lists, negatives, isOffline: false } };
}

test('absences are forgotten before the lists are asked for, and the state is read after', async () => {
  const { steps, deps } = fakes();
  const result = await createRefresh(deps).run({ accept: true }, NO_CONTEXT);
  assert.deepEqual(steps, ['clear', 'refresh accept=true', 'state']);
  assert.deepEqual(result, {
    images: 7,
    conflicts: 2,
    upstreams: [
      { name: 'well', images: 7, confirmedAt: '2026-01-02T00:00:00.000Z', problem: null, held: false },
      { name: 'ill', images: 0, confirmedAt: null, problem: 'too short', held: true },
    ],
  });
});

test('a short list is taken only when that is asked for', async () => {
  const { steps, deps } = fakes();
  await createRefresh(deps).run({}, NO_CONTEXT);
  assert.equal(steps[1], 'refresh accept=false');
});

test('offline nobody is asked, and nothing is forgotten', async () => {
  const { steps, deps } = fakes();
  await assert.rejects(createRefresh({ ...deps, isOffline: true }).run({}, NO_CONTEXT), { code: 'Offline' });
  assert.deepEqual(steps, []);
});
