import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createList, type ListResult } from '../../../src/operations/list.ts';
import { LIST_ORDERS, SORT_PATTERN } from '../../../src/operations/list-order.ts';
import { FACTS, fakeKnown, NO_CONTEXT } from './known.ts';

async function listed(sort: string, limit?: number): Promise<ListResult> {
  const { selection } = fakeKnown();
  const deps = { selection, facts: FACTS, lastUse: async () => 1_000 };
  return createList(deps).run({ sort, ...(limit === undefined ? {} : { limit }) }, NO_CONTEXT);
}

test('every order turns round; what is equal by it comes newest first, and what has no value last', async () => {
  const orders: readonly [string, string][] = [
    ['published', '12345'],
    ['-published', '54321'],
    ['name', '21543'],
    ['-name', '34521'],
    ['version', '54123'],
    ['-version', '32154'],
    ['cached', '54231'],
    ['-cached', '31542'],
    ['-pinned', '35421'],
    ['-conflict', '25431'],
    ['used', '31542'],
    ['-used', '31542'],
    ['size', '54321'],
  ];
  for (const [sort, expected] of orders) {
    const { images } = await listed(sort);
    assert.equal(images.map(({ uuid }) => Number.parseInt(uuid.slice(0, 8), 16)).join(''), expected, sort);
  }
});

test('the order is made before the page is cut', async () => {
  const { images, total } = await listed('-name', 1);
  assert.deepEqual([images.map(({ name }) => name), total], [['web'], 5]);
});

test('only known orders are orders', () => {
  for (const order of LIST_ORDERS) assert.ok(SORT_PATTERN.test(order) && SORT_PATTERN.test(`-${order}`));
  for (const wrong of ['', '-', 'nmae', '--name', 'name-', 'names']) assert.ok(!SORT_PATTERN.test(wrong), wrong);
});
