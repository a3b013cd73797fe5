import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocksOf } from '../../support/document.ts';

test('the fenced blocks of a document come with their language, what stands behind it, and where they are', () => {
  const text = [
    '# A',
    '',
    '```sh depot stays',
    'one',
    '',
    'two',
    '```',
    '',
    '```yaml',
    'a: 1',
    '```',
    '`no block`',
  ].join('\n');
  assert.deepEqual(blocksOf(text), [
    { language: 'sh', words: ['depot', 'stays'], text: 'one\n\ntwo\n', line: 3 },
    { language: 'yaml', words: [], text: 'a: 1\n', line: 9 },
  ]);
  assert.deepEqual(blocksOf('nothing'), []);
});
