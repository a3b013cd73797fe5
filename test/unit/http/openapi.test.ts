import assert from 'node:assert/strict';
import { test } from 'node:test';
import { API, EVENTS_URL, methodsOf, OPENAPI_URL } from '../../../src/http/api-paths.ts';
import { openapi } from '../../../src/http/openapi.ts';
import type { VerbSpec } from '../../../src/operations/operation.ts';
import { isWrite, VERBS, type Verb } from '../../../src/operations/verbs.ts';

interface Described {
  readonly operationId: string;
  readonly security?: readonly unknown[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema: { readonly required?: string[] } }> };
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
}

interface Description {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, Described>>;
}

/** As whoever reads it gets it. */
const text: string = JSON.stringify(openapi());
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tests say whether it is so
const document = JSON.parse(text) as Description;

function described(verb: Verb): Described | undefined {
  const { path, method }: VerbSpec = VERBS[verb];
  return document.paths[`${API}/${path.replace(/:(\w+)/, '{$1}')}`]?.[method.toLowerCase()];
}

const verbs = Object.keys(VERBS).filter((name): name is Verb => Object.hasOwn(VERBS, name));

test('every verb is described where it is reached, and nothing else but the events is', () => {
  assert.match(document.openapi, /^3\.1\./);
  for (const verb of verbs) assert.equal(described(verb)?.operationId, verb);
  const count = Object.values(document.paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0);
  assert.equal(document.paths[EVENTS_URL]?.['get']?.operationId, 'events');
  assert.equal(count, verbs.length + 1);
});

test('writes need the token and say what they take; reads need none and have parameters', () => {
  for (const verb of verbs) {
    const found = described(verb);
    assert.equal(found?.security !== undefined, isWrite(verb), verb);
    assert.equal(found?.requestBody !== undefined, isWrite(verb), verb);
    assert.equal(found?.parameters !== undefined, !isWrite(verb), verb);
  }
  assert.deepEqual(described('prefetch')?.requestBody?.content['application/json']?.schema.required, ['selectors']);
});

test('what stands in a path is a required parameter of it, and lists are given by repeating the singular', () => {
  assert.deepEqual(
    described('show')?.parameters?.map(({ name, in: where, required }) => [name, where, required]),
    [['uuid', 'path', true]],
  );
  const inQuery = described('list')?.parameters?.map(({ name, in: where }) => `${where} ${name}`);
  for (const name of ['selector', 'limit', 'offset']) assert.ok(inQuery?.includes(`query ${name}`), name);
});

test('a path knows its methods, and what is no path of the API knows none', () => {
  for (const url of [API, `${API}/`, OPENAPI_URL, EVENTS_URL]) assert.deepEqual(methodsOf(url), ['GET', 'HEAD']);
  assert.deepEqual(methodsOf(`${API}/pins`), ['POST', 'DELETE']);
  assert.deepEqual(methodsOf(`${API}/status`), ['GET', 'HEAD']);
  assert.deepEqual(methodsOf(`${API}/images/some-uuid`), ['GET', 'HEAD']);
  for (const path of ['/images', `${API}/nothing`, `${API}/images/a/b`, `${API}/statusx`])
    assert.equal(methodsOf(path), undefined, path);
});
