import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { shellQuote } from '../../../src/config/shell-quote.ts';

test('a quoted text is one word of sh', () => {
  assert.equal(shellQuote('a b'), `'a b'`);
  assert.equal(shellQuote(`it's`), String.raw`'it'\''s'`);
  assert.equal(shellQuote(''), `''`);
});

test('sh reads back whatever was quoted', () => {
  // Text for arguments: no NUL, and nothing that UTF-8 cannot hold.
  const text = fc.string({ unit: 'grapheme', maxLength: 30 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 20 }), (values) => {
      const script = `printf '%s\\0' ${values.map(shellQuote).join(' ')}`;
      const out = execFileSync('/bin/sh', ['-c', script], { encoding: 'utf8', timeout: 10_000 });
      assert.deepEqual(out.split('\0').slice(0, -1), values);
    }),
    { numRuns: 30 },
  );
});
