import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MirrorError } from '../../../src/imgapi/errors.ts';
import { jsonSchemaOf, readInput, type FieldSpecs } from '../../../src/operations/fields.ts';
import { isWrite, VERBS } from '../../../src/operations/verbs.ts';

const SPECS: FieldSpecs = {
  selectors: { kind: 'texts', min: 1, max: 2, maxLength: 5, isRequired: true, about: 'Which.' },
  dryRun: { kind: 'flag', about: 'Do nothing.' },
  limit: { kind: 'integer', min: 1, max: 10, about: 'Most.' },
  uuid: { kind: 'text', maxLength: 4, pattern: /^[a-f]+$/, format: 'letters', about: 'Who.' },
};

/** The fields that are named as wrong, with what is said of each. */
function problems(body: unknown, specs: FieldSpecs = SPECS): Record<string, string | undefined> {
  try {
    readInput(specs, body);
    return {};
  } catch (error) {
    assert(error instanceof MirrorError && error.code === 'ValidationFailed');
    return Object.fromEntries((error.errors ?? []).map(({ field, message }) => [field, message]));
  }
}

function saidOfSelectors(selectors: unknown): string | undefined {
  return problems({ selectors })['selectors'];
}

test('an input that is right is handed on as it is', () => {
  const input = { selectors: ['a', 'bb'], dryRun: false, limit: 10, uuid: 'cafe' };
  assert.deepEqual(readInput(SPECS, input), input);
  assert.deepEqual(readInput(SPECS, { selectors: ['a'] }), { selectors: ['a'] });
});

test('every wrong field is named at once, each with what would do', () => {
  assert.deepEqual(problems({ dryRun: 'true', limit: 1.5, uuid: 'x', dryrun: true }), {
    dryrun: 'is not known; known: selectors, dryRun, limit, uuid',
    selectors: 'is missing',
    dryRun: 'must be true or false',
    limit: 'must be a whole number from 1 to 10',
    uuid: 'must be letters',
  });
});

test('lists of texts are bounded in number and length', () => {
  assert.equal(saidOfSelectors('a'), 'must be a list of texts');
  assert.equal(saidOfSelectors([]), 'must have at least 1 entry');
  assert.equal(saidOfSelectors(['a', 'b', 'c']), 'must have at most 2 entries');
  assert.equal(saidOfSelectors(['a', 7]), 'entry 1 must be a text of 1 to 5 characters');
  assert.equal(saidOfSelectors(['']), 'entry 0 must be a text of 1 to 5 characters');
  assert.equal(saidOfSelectors(['abcdef']), 'entry 0 must be a text of 1 to 5 characters');
});

test('numbers keep to their bounds, and no text is taken for one', () => {
  for (const limit of [1, 10]) assert.deepEqual(problems({ selectors: ['a'], limit }), {}, `${limit}`);
  for (const limit of [0, 11, -1, Number.NaN, '5', null])
    assert.deepEqual(Object.keys(problems({ selectors: ['a'], limit })), ['limit'], String(limit));
});

test('what is no JSON object is no input', () => {
  for (const body of [[], null, 'x', 1, true])
    assert.deepEqual(problems(body), { body: 'must be a JSON object' }, JSON.stringify(body));
});

test('names from the prototype of objects are as unknown as any, and a long one is cut', () => {
  assert.deepEqual(Object.keys(problems({ selectors: ['a'], constructor: 1 })), ['constructor']);
  assert.deepEqual(Object.keys(problems(JSON.parse('{"__proto__": 1, "selectors": ["a"]}'))), ['__proto__']);
  assert.deepEqual(Object.keys(problems({ ['x'.repeat(5_000)]: 1, selectors: ['a'] })), ['x'.repeat(100)]);
});

test('the JSON schema says the same as the rules', () => {
  assert.deepEqual(jsonSchemaOf(SPECS), {
    type: 'object',
    additionalProperties: false,
    required: ['selectors'],
    properties: {
      selectors: {
        type: 'array',
        minItems: 1,
        maxItems: 2,
        items: { type: 'string', minLength: 1, maxLength: 5 },
        description: 'Which.',
      },
      dryRun: { type: 'boolean', description: 'Do nothing.' },
      limit: { type: 'integer', minimum: 1, maximum: 10, description: 'Most.' },
      uuid: { type: 'string', minLength: 1, maxLength: 4, pattern: '^[a-f]+$', description: 'Who.' },
    },
  });
  assert.equal('required' in jsonSchemaOf({}), false);
});

test('only reads are open: every verb that changes something is no GET, and has a path and method of its own', () => {
  const reads = Object.values(VERBS).filter(({ method }) => method === 'GET');
  assert.deepEqual(reads.map(({ path }) => path).toSorted(), ['downloads', 'images', 'images/:uuid', 'status']);
  assert.deepEqual(
    (['status', 'prefetch', 'unpin'] as const).map((verb) => isWrite(verb)),
    [false, true, true],
  );
  const routes = Object.values(VERBS).map(({ method, path }) => `${method} ${path}`);
  assert.equal(new Set(routes).size, routes.length);
});
