import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/config/problem.ts';
import { checkListSelectorText, checkSelectorText } from '../../../src/config/selector-format.ts';

function problems(upstream: object): string[] {
  const text = JSON.stringify({ upstreams: [{ url: 'http://a', ...upstream }] });
  const result = loadConfig({ file: { path: 'c.yaml', text }, env: {}, flags: {} });
  return result.ok ? [] : result.problems.map(formatProblem);
}

test('takes selectors for what is merged, and says where a wrong one is wrong, mended where that is plain', () => {
  assert.deepEqual(problems({ include: ['os=smartos latest=3', 'name="a b"'], exclude: ['name=test-*'] }), []);
  assert.deepEqual(problems({ include: ['os=smartos', 'os=linux nmae=base'] }), [
    String.raw`c.yaml:1: upstreams[0].include[1]: found "os=linux nmae=base"; "os=linux name=base" (character 10: unknown key "nmae") would do`,
  ]);
  assert.match(
    problems({ exclude: ['size<5'] })[0] ?? '',
    /exclude\[0\]: found "size<5"; a selector \(character 1: found "5"/,
  );
});

test('a list does not tell what is cached or pinned', () => {
  assert.match(
    problems({ include: ['name=x cached'] })[0] ?? '',
    /a selector without cached, which no list tells, would do/,
  );
  assert.deepEqual(checkSelectorText('name=x cached'), { value: 'name=x cached' });
  assert.ok('wants' in checkListSelectorText('not-cached') && 'wants' in checkListSelectorText('nope'));
});
