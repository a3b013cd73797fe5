import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSourceValidators } from '../../../src/downloads/validators.ts';
import type { FileStream } from '../../../src/upstream/upstream.ts';
import { createFakeUpstream, fileOf, sourceAt } from './fake-upstream.ts';

function streamWith(start: number, etag: string): FileStream {
  const answer = fileOf(Buffer.alloc(10), { start, validators: { etag } });
  assert.ok(answer.kind === 'file');
  return answer.stream;
}

test('validators that a server invents without end are neither kept nor believed', () => {
  const upstream = createFakeUpstream('up');
  const validators = createSourceValidators();
  validators.take(sourceAt(upstream), streamWith(0, 'x'.repeat(1000)));
  assert.deepEqual(validators.all(), []);
  assert.equal(validators.changed(sourceAt(upstream), streamWith(9, 'y'.repeat(1000))), undefined);
  for (let index = 0; index < 200; index += 1) validators.take({ ...sourceAt(upstream), index }, streamWith(0, 'x'));
  assert.equal(validators.all().length, 50);
  assert.equal(validators.all().at(-1)?.index, 199);
});
